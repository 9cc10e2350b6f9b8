// Data files written into a temporary folder and read back.
#pragma once

#include <arrow/io/file.h>
#include <gtest/gtest.h>
#include <parquet/arrow/reader.h>
#include <parquet/file_reader.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "calve/base/testing_temp_dir.h"
#include "calve/datafile/data_file_writer.h"
#include "calve/datafile/testing_batches.h"

namespace calve::datafile {

using BatchPtr = std::shared_ptr<arrow::RecordBatch>;

class DataFilesTest : public testing::Test {
 protected:
  DataFilesTest() : file_io_(Must(storage::OpenFileIO(folder_.path()))) {}

  std::unique_ptr<DataFileWriter> MakeWriter(const iceberg::Schema& schema,
                                             const std::shared_ptr<arrow::Schema>& batch_schema,
                                             const WriterOptions& options, const iceberg::PartitionSpec& spec = {}) {
    return Must(
        DataFileWriter::Make(*file_io_, {schema, spec, folder_.path() + "/data", "abc"}, options, batch_schema));
  }

  std::vector<iceberg::DataFile> WriteAll(const iceberg::Schema& schema, const std::vector<BatchPtr>& batches,
                                          const WriterOptions& options = {}, const iceberg::PartitionSpec& spec = {}) {
    auto writer = MakeWriter(schema, batches.at(0)->schema(), options, spec);
    for (const BatchPtr& batch : batches) Must(writer->Write(batch));
    auto files = Must(writer->Finish());
    int64_t bytes = 0;
    for (const iceberg::DataFile& file : files) bytes += file.file_size_in_bytes;
    EXPECT_EQ(writer->bytes_written(), bytes);
    return files;
  }

  static std::shared_ptr<arrow::Table> ReadTable(const iceberg::DataFile& file) {
    auto input = Must(arrow::io::ReadableFile::Open(file.file_path));
    auto reader = Must(parquet::arrow::OpenFile(input, arrow::default_memory_pool()));
    return Must(reader->ReadTable());
  }

  static std::unique_ptr<parquet::ParquetFileReader> Open(const iceberg::DataFile& file) {
    return parquet::ParquetFileReader::OpenFile(file.file_path);
  }

  std::vector<std::string> FilesOnDisk() const {
    std::vector<std::string> files;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_.path())) {
      if (entry.is_regular_file()) files.push_back(entry.path());
    }
    return files;
  }

  TempDir folder_;
  std::unique_ptr<storage::FileIO> file_io_;
};

inline BatchPtr Numbers(int64_t begin, int64_t count) {
  arrow::Int64Builder builder;
  for (int64_t i = 0; i < count; ++i) Must(builder.Append(begin + i));
  return OneColumn(Must(builder.Finish()));
}

inline iceberg::Schema OneLong() {
  iceberg::Schema schema;
  schema.fields = {Optional(1, "c", iceberg::Type::Of(iceberg::TypeId::kLong))};
  return schema;
}

}  // namespace calve::datafile
