#include "calve/datafile/data_file_reader.h"

#include <arrow/compute/api_vector.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "calve/datafile/testing_read_files.h"

namespace calve::datafile {
namespace {

using iceberg::DataFile;
using iceberg::Schema;
using iceberg::Type;
using iceberg::TypeId;
using testing::HasSubstr;

class DataFileReaderTest : public DataFilesTest {};

std::shared_ptr<arrow::Array> Plain(const std::shared_ptr<arrow::Array>& array) {
  if (array->type_id() != arrow::Type::DICTIONARY) return array;
  const auto& dictionary = static_cast<const arrow::DictionaryArray&>(*array);
  return Must(arrow::compute::Take(*dictionary.dictionary(), *dictionary.indices()));
}

TEST_F(DataFileReaderTest, WhatTheWriterWroteComesBack) {
  const Schema schema = EveryType();
  std::mt19937_64 random(11);
  std::vector<BatchPtr> batches;
  for (const int64_t rows : {1000, 1, 3000}) batches.push_back(RandomBatch(schema, rows, random));
  batches.push_back(batches[2]->Slice(100, 1500));
  WriterOptions options;
  options.page_bytes = 4096;
  options.row_group_bytes = 300'000;
  const auto files = WriteAll(schema, batches, options);
  ASSERT_EQ(files.size(), 1u);
  ASSERT_GT(files[0].split_offsets.size(), 1u) << "several row groups";
  const auto given = Must(arrow::Table::FromRecordBatches(batches));
  for (const bool dictionaries : {true, false}) {
    for (const int64_t batch_rows : {65'536, 700, 37}) {
      SCOPED_TRACE(batch_rows);
      ReadRequest request;
      request.schema = schema;
      request.dictionaries = dictionaries;
      request.batch_rows = batch_rows;
      const ReadRows rows = Read(*file_io_, files[0], request);
      if (!dictionaries) {
        EXPECT_TRUE(rows.table->schema()->Equals(*Must(ToArrowSchema(schema)), /*check_metadata=*/true));
      }
      std::vector<int64_t> positions(5501);
      std::iota(positions.begin(), positions.end(), 0);
      EXPECT_EQ(rows.positions, positions);
      for (int i = 0; i < given->num_columns(); ++i) {
        const auto expected = Must(arrow::Concatenate(given->column(i)->chunks()));
        const auto equal_nans = arrow::EqualOptions::Defaults().nans_equal(true);
        std::vector<std::shared_ptr<arrow::Array>> chunks;
        for (const auto& chunk : rows.table->column(i)->chunks()) chunks.push_back(Plain(chunk));
        EXPECT_TRUE(Must(arrow::Concatenate(chunks))->Equals(*expected, equal_nans)) << given->field(i)->name();
      }
    }
  }
}

TEST_F(DataFileReaderTest, DictionariesStayWhereTheFileHasThemThroughout) {
  Schema schema;
  schema.fields = {Optional(1, "few", Type::Of(TypeId::kString)), Optional(2, "many", Type::Of(TypeId::kString))};
  arrow::StringBuilder few, many;
  for (int i = 0; i < 20'000; ++i) {
    Must(i % 7 == 0 ? few.AppendNull() : few.Append(i % 2 == 0 ? "binance" : "kraken"));
    Must(many.Append(std::to_string(i)));
  }
  const auto batch =
      arrow::RecordBatch::Make(arrow::schema({arrow::field("few", arrow::utf8()), arrow::field("many", arrow::utf8())}),
                               20'000, {Must(few.Finish()), Must(many.Finish())});
  WriterOptions options;
  options.row_group_bytes = 30'000;
  const DataFile file = WriteAll(schema, {batch->Slice(0, 9'000), batch->Slice(9'000)}, options).at(0);
  ReadRequest request;
  request.schema = schema;
  request.batch_rows = 1'000;
  auto reader = Must(DataFileReader::Open(*file_io_, file, request));
  EXPECT_TRUE(reader->schema()->field(0)->type()->Equals(*arrow::dictionary(arrow::int32(), arrow::utf8())));
  EXPECT_EQ(reader->schema()->field(1)->type()->id(), arrow::Type::STRING);
  const auto first = Must(reader->Next());
  ASSERT_EQ(first->num_rows(), 1'000);
  EXPECT_TRUE(Plain(first->column(0))->Equals(*batch->column(0)->Slice(0, 1'000)));
}

TEST_F(DataFileReaderTest, ColumnsByIdInTheOrderAskedForAndNoneAtAll) {
  Schema written = EveryType();
  std::mt19937_64 random(12);
  const auto batch = RandomBatch(written, 500, random);
  const DataFile file = WriteAll(written, {batch}).at(0);
  Schema wanted;
  wanted.fields = {*written.FindField("nested"), *written.FindField("long"), *written.FindField("boolean")};
  wanted.fields[1].name = "renamed";
  ReadRequest request;
  request.schema = wanted;
  request.dictionaries = false;
  const ReadRows rows = Read(*file_io_, file, request);
  EXPECT_EQ(rows.table->schema()->field_names(), (std::vector<std::string>{"nested", "renamed", "boolean"}));
  EXPECT_TRUE(ColumnOf(rows, 0)->Equals(*batch->GetColumnByName("nested")));
  EXPECT_TRUE(ColumnOf(rows, 1)->Equals(*batch->GetColumnByName("long")));
  request.schema.fields.clear();
  auto reader = Must(DataFileReader::Open(*file_io_, file, request));
  const auto counted = Must(reader->Next());
  EXPECT_EQ(counted->num_rows(), 500);
  EXPECT_EQ(reader->positions().size(), 500u);
  EXPECT_EQ(Must(reader->Next()), nullptr);
  EXPECT_TRUE(reader->positions().empty());
}

TEST_F(DataFileReaderTest, AnEmptyFileHasNoRows) {
  const auto table = TableOf({FieldWithId(1, "c", arrow::int64())}, {FromJson(arrow::int64(), "[]")});
  const DataFile file = WriteForeign(folder_.path() + "/empty.parquet", *table);
  ReadRequest request;
  request.schema = OneLong();
  EXPECT_EQ(Read(*file_io_, file, request).table->num_rows(), 0);
}

TEST_F(DataFileReaderTest, RefusesWhatItCannotRead) {
  DataFile file = WriteAll(OneLong(), {Numbers(0, 10)}).at(0);
  const auto status = [&](const DataFile& changed) {
    ReadRequest request;
    request.schema = OneLong();
    return TryRead(*file_io_, changed, request).status();
  };
  EXPECT_TRUE(status(file).ok());
  DataFile other = file;
  other.file_format = "AVRO";
  EXPECT_EQ(KindOf(status(other)), ErrorKind::kUnsupported);
  EXPECT_THAT(MessageOf(status(other)), HasSubstr(file.file_path));
  other = file;
  other.key_metadata = "key";
  EXPECT_EQ(KindOf(status(other)), ErrorKind::kUnsupported);
  other = file;
  other.file_path += ".gone";
  EXPECT_EQ(KindOf(status(other)), ErrorKind::kNotFound);
  other = file;
  other.record_count = 11;
  EXPECT_EQ(KindOf(status(other)), ErrorKind::kCorrupt);
  EXPECT_THAT(MessageOf(status(other)), HasSubstr("10 rows in the file, 11"));
  other = file;
  other.file_format = "parquet";
  EXPECT_TRUE(status(other).ok()) << "formats are compared without case";
}

}  // namespace
}  // namespace calve::datafile
