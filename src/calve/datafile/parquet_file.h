// One Parquet data file being written. Row groups are held in memory, encoded, until they are large enough.
#pragma once

#include <arrow/memory_pool.h>
#include <arrow/util/thread_pool.h>
#include <parquet/arrow/writer.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "calve/datafile/column_metrics.h"
#include "calve/datafile/data_file_writer.h"
#include "calve/datafile/deferred_stream.h"

namespace calve::datafile {

// What all files of one write share.
struct FileFormat {
  iceberg::Schema schema;
  std::shared_ptr<arrow::Schema> written;  // what Parquet's writer gets
  std::vector<Leaf> leaves;
  std::vector<MetricsMode> metrics_modes;  // of each leaf
  WriterOptions options;
  arrow::Compression::type compression = arrow::Compression::ZSTD;

  static Result<std::unique_ptr<FileFormat>> Make(const iceberg::Schema& schema, const WriterOptions& options);
};

// Not thread-safe; different files may be written from several threads at once.
class ParquetFile {
 public:
  // `first`, the first rows to come, decides on dictionaries. Columns are encoded at once in `executor`, or in the
  // calling thread where it is null. `format` must outlive it.
  static Result<std::unique_ptr<ParquetFile>> Make(storage::FileIO& file_io, const FileFormat& format,
                                                   std::string location, const arrow::RecordBatch& first,
                                                   int64_t page_bytes, arrow::internal::Executor* executor);
  ~ParquetFile();

  Status Append(const arrow::RecordBatch& batch);
  // Writes the last row group and the footer. The stream is left open for the caller to close: that may take long
  // (fsync).
  Result<iceberg::DataFile> WriteFooter();
  std::shared_ptr<DeferredStream> TakeStream() { return std::move(sink_); }
  // Drops it; what is in the store is the caller's to delete.
  void Discard();

  bool is_threaded() const { return is_threaded_; }
  bool is_open() const { return sink_ && sink_->is_open(); }
  int64_t memory_bytes() const { return pool_.bytes_allocated() + (sink_ ? sink_->held_bytes() : 0); }
  // Once it is all in the file.
  int64_t bytes_estimate() const;

 private:
  ParquetFile(storage::FileIO& file_io, const FileFormat& format, const std::string& location);
  Status BeginRowGroup();

  const FileFormat& format_;
  const std::string location_;
  bool is_threaded_ = false;
  arrow::ProxyMemoryPool pool_;
  std::shared_ptr<DeferredStream> sink_;
  std::unique_ptr<parquet::arrow::FileWriter> writer_;

  int64_t rows_ = 0;
  int64_t group_rows_ = 0;         // of the row group being filled
  int64_t group_raw_bytes_ = 0;    // in Arrow's memory
  bool group_is_full_ = true;      // the next rows begin one
  int64_t flushed_raw_bytes_ = 0;  // of the row groups in the file
  std::map<int, int64_t> nan_counts_;
};

}  // namespace calve::datafile
