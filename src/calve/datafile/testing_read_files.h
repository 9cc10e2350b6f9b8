// Parquet files as other writers leave them, and data files read back, for tests.
#pragma once

#include <arrow/io/file.h>
#include <arrow/table.h>
#include <parquet/arrow/writer.h>

#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "calve/datafile/arrow_schema.h"
#include "calve/datafile/data_file_reader.h"
#include "calve/datafile/testing_data_files.h"

namespace calve::datafile {

struct ReadRows {
  std::shared_ptr<arrow::Table> table;
  std::vector<int64_t> positions;
};

inline Result<ReadRows> TryRead(storage::FileIO& file_io, const iceberg::DataFile& file, ReadRequest request) {
  ARROW_ASSIGN_OR_RAISE(auto reader, DataFileReader::Open(file_io, file, std::move(request)));
  ReadRows rows;
  arrow::RecordBatchVector batches;
  for (;;) {
    ARROW_ASSIGN_OR_RAISE(auto batch, reader->Next());
    if (!batch) break;
    ARROW_RETURN_NOT_OK(batch->ValidateFull());
    EXPECT_GT(batch->num_rows(), 0);
    EXPECT_TRUE(batch->schema()->Equals(*reader->schema(), /*check_metadata=*/true));
    EXPECT_EQ(reader->positions().size(), static_cast<size_t>(batch->num_rows()));
    rows.positions.insert(rows.positions.end(), reader->positions().begin(), reader->positions().end());
    batches.push_back(std::move(batch));
  }
  return arrow::Table::FromRecordBatches(reader->schema(), batches).Map([&](auto table) {
    rows.table = std::move(table);
    return std::move(rows);
  });
}

inline ReadRows Read(storage::FileIO& file_io, const iceberg::DataFile& file, ReadRequest request) {
  return Must(TryRead(file_io, file, std::move(request)));
}

inline std::shared_ptr<arrow::Array> ColumnOf(const ReadRows& rows, int column) {
  const auto& chunks = rows.table->column(column)->chunks();
  if (chunks.empty()) return Must(arrow::MakeArrayOfNull(rows.table->field(column)->type(), 0));
  return Must(arrow::Concatenate(chunks));
}

// A field with its id, as Arrow's Parquet writer wants it; no id: -1.
inline std::shared_ptr<arrow::Field> FieldWithId(int id, const std::string& name,
                                                 const std::shared_ptr<arrow::DataType>& type, bool nullable = true) {
  auto field = arrow::field(name, type, nullable);
  return id < 0 ? field : field->WithMetadata(arrow::key_value_metadata({"PARQUET:field_id"}, {std::to_string(id)}));
}

struct ForeignOptions {
  int64_t row_group_rows = 1 << 20;
  bool dictionary = true;
  bool page_checksums = false;
  bool arrow_schema = false;  // ARROW:schema in the footer, as PyIceberg's
  bool int96 = false;
  arrow::TimeUnit::type coerce = arrow::TimeUnit::NANO;  // NANO: as they are
  int64_t page_bytes = 1 << 20;
};

// Written by Arrow alone.
inline iceberg::DataFile WriteForeign(const std::string& path, const arrow::Table& table,
                                      const ForeignOptions& options = {}) {
  parquet::WriterProperties::Builder properties;
  properties.version(parquet::ParquetVersion::PARQUET_2_6)->data_pagesize(options.page_bytes);
  if (!options.dictionary) properties.disable_dictionary();
  if (options.page_checksums) properties.enable_page_checksum();
  parquet::ArrowWriterProperties::Builder arrow_properties;
  if (options.arrow_schema) arrow_properties.store_schema();
  if (options.int96) arrow_properties.enable_deprecated_int96_timestamps();
  if (options.coerce != arrow::TimeUnit::NANO) arrow_properties.coerce_timestamps(options.coerce);
  auto sink = Must(arrow::io::FileOutputStream::Open(path));
  Must(parquet::arrow::WriteTable(table, arrow::default_memory_pool(), sink, options.row_group_rows, properties.build(),
                                  arrow_properties.build()));
  Must(sink->Close());
  iceberg::DataFile file;
  file.file_path = path;
  file.record_count = table.num_rows();
  return file;
}

inline std::shared_ptr<arrow::Table> TableOf(const arrow::FieldVector& fields, const arrow::ArrayVector& columns) {
  return arrow::Table::Make(arrow::schema(fields), columns);
}

inline std::string Slurp(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

inline void Spill(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

}  // namespace calve::datafile
