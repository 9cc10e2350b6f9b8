// How many distinct values each column has, for engines that plan joins by it: theta sketches in a Puffin file, as
// Iceberg's compute_table_stats makes them. Spec: "Table Statistics", Puffin's "apache-datasketches-theta-v1".
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "calve/base/stop.h"
#include "calve/base/time.h"
#include "calve/catalog/catalog.h"
#include "calve/storage/file_io.h"
#include "calve/table/commit_retry.h"

namespace calve::maintain {

struct StatisticsRequest {
  catalog::TableIdent ident;
  bool dry_run = false;
};

struct ColumnStatistics {
  std::string name;
  int64_t distinct = 0;  // an estimate where there are more than 4096
};

struct StatisticsReport {
  std::optional<int64_t> snapshot_id;  // absent: the table has none
  bool present = false;                // it has statistics already: nothing was read
  int64_t rows = 0;
  std::vector<ColumnStatistics> columns;  // top-level columns of primitive types
  std::string location;                   // of the file; empty of a dry run
  int64_t bytes = 0;
};

// Of the current snapshot: reads every row of its columns, with deletes applied. The watermark and the snapshots stay
// as they are. kConflict: the snapshot was expired meanwhile. Where it is not committed the file is deleted, but for
// kUnknownOutcome. kUnsupported for v3 tables.
Result<StatisticsReport> ComputeStatistics(catalog::Catalog& catalog, storage::FileIO& file_io, const Clock& clock,
                                           const StopToken& stop, const StatisticsRequest& request,
                                           const table::Sleep& sleep = table::SleepFor);

}  // namespace calve::maintain
