// Rows of an Iceberg table, re-read from its Parquet files.
#pragma once

#include <optional>
#include <vector>

#include "calve/base/stop.h"
#include "calve/iceberg/row_range.h"
#include "calve/offload/row_consumer.h"
#include "calve/table/scan.h"

namespace calve::offload {

struct ColdScan {
  std::vector<table::ScanTask> tasks;
  iceberg::Schema schema;        // columns to read
  iceberg::Schema table_schema;  // of the snapshot
  std::optional<iceberg::RowRange> range;
  bool dictionaries = true;  // text may come as dictionaries, each batch with its own
};

// Rows of one file, as RowConsumer has them, with their positions in it.
using RowsOfFile = std::function<Status(size_t lane, const table::ScanTask& task, const std::vector<int64_t>& positions,
                                        const std::shared_ptr<arrow::RecordBatch>& batch)>;
Status ReadColdFiles(storage::FileIO& file_io, const ColdScan& scan, size_t threads, const StopToken& stop,
                     const RowsOfFile& consumer);

// Files side by side, one at a time in each of `threads` lanes.
Status ReadColdRows(storage::FileIO& file_io, const ColdScan& scan, size_t threads, const StopToken& stop,
                    const RowConsumer& consumer);

// Rows of the files to read: no less than the rows that will come.
int64_t RowsAtMost(const ColdScan& scan);

}  // namespace calve::offload
