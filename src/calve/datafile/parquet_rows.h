// An open Parquet file: its schema, its row groups, and batches of columns as Parquet's Arrow reader gives them. Every
// error names the file; what the library throws ends here.
#pragma once

#include <arrow/record_batch.h>
#include <parquet/arrow/reader.h>
#include <parquet/exception.h>
#include <parquet/metadata.h>

#include <exception>
#include <memory>
#include <string>
#include <vector>

#include "calve/iceberg/data_file.h"
#include "calve/storage/file_io.h"

namespace calve::datafile {

// What decoding ended with, as the file's error: kCorrupt, but for errors of the store and of calve's own, which keep
// their kind.
Status FileError(const std::string& location, const Status& status);

// Calls into Parquet, which throws. `call` returns a Status or a Result.
template <typename Call>
auto GuardParquet(const std::string& location, Call call) -> decltype(call()) {
  try {
    auto result = call();
    if (result.ok()) return result;
    if constexpr (std::is_same_v<decltype(call()), Status>) {
      return FileError(location, result);
    } else {
      return FileError(location, result.status());
    }
  } catch (const parquet::ParquetStatusException& error) {
    return FileError(location, error.status());
  } catch (const std::exception& error) {  // also of allocations as large as damaged bytes ask for
    return FileError(location, Status::Invalid(error.what()));
  }
}

// Not thread-safe.
class ParquetRows {
 public:
  // kCorrupt where the footer does not hold `file.record_count` rows; kUnsupported for other formats and encrypted
  // files. `file_io` must outlive it. String columns that are dictionaries throughout are read as such where
  // `dictionaries`.
  static Result<std::unique_ptr<ParquetRows>> Open(storage::FileIO& file_io, const iceberg::DataFile& file,
                                                   bool dictionaries, int64_t batch_rows);

  const parquet::arrow::SchemaManifest& manifest() const { return reader_->manifest(); }
  const parquet::FileMetaData& metadata() const { return *metadata_; }
  const std::string& location() const { return location_; }

  // What Next yields: the columns `leaves` (ascending) of `row_groups` (ascending).
  void Select(std::vector<int> row_groups, std::vector<int> leaves);
  // The next batch, of one row group, never empty; null at the end.
  Result<std::shared_ptr<arrow::RecordBatch>> Next();
  // Position in the file of the last batch's first row.
  int64_t first_row() const { return first_row_; }

 private:
  ParquetRows(std::string location, std::unique_ptr<parquet::arrow::FileReader> reader);
  Status Check(const iceberg::DataFile& file) const;
  Status BeginRowGroup();
  Status EndRowGroup() const;

  const std::string location_;
  std::unique_ptr<parquet::arrow::FileReader> reader_;
  std::shared_ptr<parquet::FileMetaData> metadata_;
  std::vector<int64_t> group_begins_;  // position of each row group's first row, and of the end
  std::vector<int> row_groups_;
  std::vector<int> leaves_;
  size_t next_group_ = 0;                              // of row_groups_
  std::unique_ptr<arrow::RecordBatchReader> batches_;  // of the row group before it; null between two
  int64_t group_end_ = 0;
  int64_t first_row_ = 0;
  int64_t next_row_ = 0;
};

}  // namespace calve::datafile
