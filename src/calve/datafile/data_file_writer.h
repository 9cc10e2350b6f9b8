// Record batches into Parquet data files with Iceberg's metrics; partition fan-out with bounded memory.
#pragma once

#include <arrow/record_batch.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "calve/base/seconds_sum.h"
#include "calve/iceberg/data_file.h"
#include "calve/iceberg/partition_spec.h"
#include "calve/storage/file_io.h"

namespace calve::datafile {

struct WriterOptions {
  int64_t target_file_bytes = 512 << 20;  // write.target-file-size-bytes
  int64_t row_group_bytes = 128 << 20;    // write.parquet.row-group-size-bytes
  int64_t page_bytes = 1 << 20;           // write.parquet.page-size-bytes
  int64_t page_rows_max = 0;              // write.parquet.page-row-limit; 0: by bytes alone
  int64_t dictionary_bytes = 2 << 20;     // write.parquet.dict-size-bytes
  std::string compression = "zstd";       // write.parquet.compression-codec: zstd, gzip, snappy, lz4, uncompressed
  int compression_level = 3;              // write.parquet.compression-level
  int64_t memory_bytes = 512 << 20;       // of all files together; above it the largest are finished
  int open_files_max = 100;               // files with bytes in the store; above it the least recently used is finished
  // Column metrics modes, by dotted path, "" the default: "none", "counts", "truncate(16)", "full"
  // (write.metadata.metrics.*). Without a default: truncate(16) for the first columns, none for the others, as in Java.
  std::map<std::string, std::string> metrics_modes;
  int metrics_inferred_columns_max = 100;  // write.metadata.metrics.max-inferred-column-defaults
  int sort_order_id = 0;                   // of rows as they come
  int threads = 2;                         // encoding columns at once
  SecondsSum* store_time = nullptr;        // told how long the store was waited for, by all threads; may be null
};

// Reads write.* of the table's properties over `base`. kConfig names property and value.
Result<WriterOptions> WriterOptionsFromProperties(const std::map<std::string, std::string>& properties,
                                                  WriterOptions base);

struct WriteContext {
  iceberg::Schema schema;
  iceberg::PartitionSpec spec;
  std::string data_location;  // "<table location>/data" or write.data.path
  std::string file_prefix;    // unique to this write (the commit id): file names are <prefix>-NNNNN.parquet
};

// Writes batches to as many files as partitions and target size ask for, rows of one partition in the order they came.
// Not thread-safe. Files of a writer that was not finished are deleted by Abort (and by the destructor, as well as it
// can).
class DataFileWriter {
 public:
  // `batch_schema` is what Conformer::schema() says. `file_io` must outlive it.
  static Result<std::unique_ptr<DataFileWriter>> Make(storage::FileIO& file_io, WriteContext context,
                                                      WriterOptions options,
                                                      std::shared_ptr<arrow::Schema> batch_schema);
  ~DataFileWriter();

  Status Write(const std::shared_ptr<arrow::RecordBatch>& batch);
  // Closes what is open. Descriptors in the order in which the files were begun.
  Result<std::vector<iceberg::DataFile>> Finish();
  // Deletes every file begun. After a failure or a stop, before anything was committed.
  Status Abort();
  // Bytes in closed and open files so far, an estimate for open ones. Thread-safe.
  int64_t bytes_written() const;

 private:
  struct Impl;
  explicit DataFileWriter(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace calve::datafile
