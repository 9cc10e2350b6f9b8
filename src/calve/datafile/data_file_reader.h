// Parquet data files back into record batches: the rows as any reader of the table sees them. Spec: "Column
// Projection", "Scan Planning" (delete files).
#pragma once

#include <arrow/record_batch.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "calve/iceberg/data_file.h"
#include "calve/iceberg/row_range.h"
#include "calve/iceberg/type.h"
#include "calve/storage/file_io.h"

namespace calve::datafile {

struct ReadRequest {
  // Columns to read, matched by field id; promoted where the schema evolved (int to long, float to double, a decimal's
  // precision). What the file lacks is null: also a column that is in the partition's values alone, as in files taken
  // over from Hive. Files without any field ids are matched by name.
  iceberg::Schema schema;
  // Exactly the rows of the range; row groups whose statistics show that they are outside of it are not read. The
  // column need not be in `schema`; in a file without field ids it must be in it or in `table_schema`.
  std::optional<iceberg::RowRange> range;
  // Delete files that apply to this data file (table::PlanScan chooses them): rows deleted by position or by equality
  // are left out. Read when the reader is opened; their positions and keys are held until it is closed. Deletion
  // vectors: kUnsupported.
  std::vector<iceberg::DataFile> deletes;
  iceberg::Schema table_schema;  // equality deletes may name columns that are not in `schema`
  int64_t batch_rows = 65'536;   // at most
  // Top-level string columns that the file holds as dictionaries throughout come as dictionary(int32, utf8); each batch
  // may bring another dictionary.
  bool dictionaries = true;
};

// By its descriptor alone: kUnsupported for formats other than Parquet and for encrypted files.
Status CheckReadable(const iceberg::DataFile& file);

// Rows of one data file in the file's order. Reads one row group's columns at a time; memory is bounded by that. Not
// thread-safe; several readers may run side by side.
class DataFileReader {
 public:
  // `file_io` must outlive it. kUnsupported for formats other than Parquet and for types that do not promote; kCorrupt
  // names the file where its bytes are damaged, its row count is not what `file` says, or a required column is missing
  // or null. Checksums of pages are verified where the file has them; without them some damage shows as other values.
  static Result<std::unique_ptr<DataFileReader>> Open(storage::FileIO& file_io, const iceberg::DataFile& file,
                                                      ReadRequest request);
  ~DataFileReader();

  // ToArrowSchema(request.schema), but for the dictionaries.
  const std::shared_ptr<arrow::Schema>& schema() const;
  // The next batch with rows; null at the end. kCorrupt for bytes that do not decode.
  Result<std::shared_ptr<arrow::RecordBatch>> Next();
  // Positions in the file of the rows of the last batch (for position deletes and rewrites): ascending, one for each
  // row.
  const std::vector<int64_t>& positions() const;

 private:
  struct Impl;
  explicit DataFileReader(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace calve::datafile
