#include "calve/datafile/data_file_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "calve/datafile/testing_data_files.h"
#include "calve/storage/fault_injection.h"

namespace calve::datafile {
namespace {

using iceberg::DataFile;
using iceberg::Schema;
using iceberg::TransformKind;
using iceberg::Type;
using iceberg::TypeId;

class DataFileWriterTest : public DataFilesTest {};

iceberg::PartitionSpec SpecOf(int source_id, TransformKind kind, int param = 0) {
  iceberg::PartitionSpec spec;
  spec.spec_id = 3;
  spec.fields = {{source_id, 1000, "p", {kind, param, ""}}};
  return spec;
}

TEST_F(DataFileWriterTest, RowsOfAPartitionStayInOrderInTheirOwnFile) {
  Schema schema;
  schema.fields = {Optional(1, "k", Type::Of(TypeId::kString)), Required(2, "n", Type::Of(TypeId::kLong))};
  std::mt19937_64 random(7);
  std::vector<BatchPtr> batches;
  std::map<std::string, std::vector<int64_t>> expected;
  int64_t n = 0;
  for (int b = 0; b < 5; ++b) {
    arrow::StringBuilder keys;
    arrow::Int64Builder numbers;
    for (int i = 0; i < 2000; ++i) {
      const std::string key = std::string(1, static_cast<char>('a' + random() % 7));
      expected[key].push_back(n);
      Must(keys.Append(key));
      Must(numbers.Append(n++));
    }
    batches.push_back(arrow::RecordBatch::Make(
        arrow::schema({arrow::field("k", arrow::utf8()), arrow::field("n", arrow::int64(), false)}), 2000,
        {Must(keys.Finish()), Must(numbers.Finish())}));
  }
  const auto files = WriteAll(schema, batches, {}, SpecOf(1, TransformKind::kIdentity));
  EXPECT_EQ(files.size(), expected.size());
  for (size_t i = 0; i < files.size(); ++i) {
    const std::string key = std::get<std::string>(files[i].partition.at(0));
    EXPECT_EQ(files[i].file_path, fmt::format("{}/data/p={}/abc-{:05}.parquet", folder_.path(), key, i));
    EXPECT_EQ(files[i].spec_id, 3);
    EXPECT_EQ(files[i].sort_order_id, 0);
    const auto numbers = Must(arrow::Concatenate(ReadTable(files[i])->column(1)->chunks()));
    std::vector<int64_t> read(numbers->length());
    for (size_t row = 0; row < read.size(); ++row)
      read[row] = static_cast<const arrow::Int64Array&>(*numbers).Value(row);
    EXPECT_EQ(read, expected[key]);
  }
}

TEST_F(DataFileWriterTest, FilesRollAtTheTargetSize) {
  std::mt19937_64 random(8);
  std::vector<BatchPtr> batches;
  for (int b = 0; b < 20; ++b) {
    arrow::Int64Builder builder;
    for (int i = 0; i < 10'000; ++i) Must(builder.Append(static_cast<int64_t>(random())));
    batches.push_back(OneColumn(Must(builder.Finish())));
  }
  WriterOptions options;
  options.target_file_bytes = 400'000;
  options.row_group_bytes = 150'000;
  options.page_bytes = 20'000;
  const auto files = WriteAll(OneLong(), batches, options);
  ASSERT_GE(files.size(), 4u);
  ASSERT_LE(files.size(), 7u);
  int64_t rows = 0;
  for (const DataFile& file : files) {
    rows += file.record_count;
    const auto metadata = Open(file)->metadata();
    for (int group = 0; group < metadata->num_row_groups(); ++group) {
      EXPECT_GT(metadata->RowGroup(group)->num_rows(), 0);
      EXPECT_LT(metadata->RowGroup(group)->total_byte_size(), 400'000);
    }
    EXPECT_EQ(file.split_offsets.size(), static_cast<size_t>(metadata->num_row_groups()));
  }
  EXPECT_EQ(rows, 200'000);
}

TEST_F(DataFileWriterTest, ManyInterleavedPartitionsStayWithinTheirMemory) {
  Schema schema = OneLong();
  schema.fields.push_back(Required(2, "n", Type::Of(TypeId::kLong)));
  constexpr int64_t kPartitions = 1000, kRows = 20'000;
  WriterOptions options;
  options.memory_bytes = 24 << 20;
  const auto arrow_schema =
      arrow::schema({arrow::field("c", arrow::int64()), arrow::field("n", arrow::int64(), false)});
  auto writer = MakeWriter(schema, arrow_schema, options, SpecOf(1, TransformKind::kIdentity));
  const int64_t before = arrow::default_memory_pool()->bytes_allocated();
  int64_t peak = 0;
  std::mt19937_64 random(9);
  for (int b = 0; b < 20; ++b) {
    arrow::Int64Builder keys, numbers;
    for (int64_t i = 0; i < kRows; ++i) {
      Must(keys.Append(static_cast<int64_t>(random() % kPartitions)));
      Must(numbers.Append(static_cast<int64_t>(random())));
    }
    Must(writer->Write(arrow::RecordBatch::Make(arrow_schema, kRows, {Must(keys.Finish()), Must(numbers.Finish())})));
    peak = std::max(peak, arrow::default_memory_pool()->bytes_allocated() - before);
  }
  EXPECT_LE(peak, options.memory_bytes + (4 << 20));
  const auto files = Must(writer->Finish());
  int64_t rows = 0;
  std::set<int64_t> partitions;
  for (const DataFile& file : files) {
    rows += file.record_count;
    partitions.insert(std::get<int64_t>(file.partition.at(0)));
  }
  EXPECT_EQ(rows, 20 * kRows);
  EXPECT_EQ(partitions.size(), static_cast<size_t>(kPartitions));
}

TEST_F(DataFileWriterTest, InterleavedPartitionsThatFitAreOneFileEach) {
  Schema schema = OneLong();
  auto writer = MakeWriter(schema, Numbers(0, 1)->schema(), {}, SpecOf(1, TransformKind::kBucket, 300));
  for (int b = 0; b < 5; ++b) Must(writer->Write(Numbers(b * 5000, 5000)));
  EXPECT_EQ(FilesOnDisk().size(), 0u) << "nothing is opened before it has to be written";
  EXPECT_EQ(Must(writer->Finish()).size(), 300u);
}

TEST_F(DataFileWriterTest, OpenFilesAreLimited) {
  Schema schema = OneLong();
  WriterOptions options;
  options.open_files_max = 2;
  options.row_group_bytes = 1;  // every batch goes to the store
  auto writer = MakeWriter(schema, Numbers(0, 1)->schema(), options, SpecOf(1, TransformKind::kBucket, 8));
  for (int b = 0; b < 6; ++b) Must(writer->Write(Numbers(b * 1000, 1000)));
  int64_t rows = 0;
  const auto files = Must(writer->Finish());
  for (const DataFile& file : files) rows += file.record_count;
  EXPECT_EQ(rows, 6000);
  EXPECT_GT(files.size(), 8u);
}

TEST_F(DataFileWriterTest, NoRowsNoFiles) {
  EXPECT_TRUE(WriteAll(OneLong(), {Numbers(0, 0)}).empty());
  EXPECT_TRUE(FilesOnDisk().empty());
}

TEST_F(DataFileWriterTest, AbortAndDestructionLeaveNothing) {
  WriterOptions options;
  options.target_file_bytes = 20'000;
  options.row_group_bytes = 10'000;
  for (const bool abort : {true, false}) {
    auto writer = MakeWriter(OneLong(), Numbers(0, 1)->schema(), options);
    for (int b = 0; b < 10; ++b) Must(writer->Write(Numbers(b, 10'000)));
    EXPECT_FALSE(FilesOnDisk().empty());
    if (abort) Must(writer->Abort());
    writer.reset();
    EXPECT_TRUE(FilesOnDisk().empty());
  }
}

TEST_F(DataFileWriterTest, AFailingStoreFailsTheWriterWithItsOwnError) {
  for (const auto point :
       {storage::FaultPoint::kOpenOutput, storage::FaultPoint::kOutputWrite, storage::FaultPoint::kOutputClose}) {
    SCOPED_TRACE(storage::FaultPointName(point));
    storage::FaultInjectingFileIO faulty(*file_io_);
    auto writer = Must(
        DataFileWriter::Make(faulty, {OneLong(), {}, folder_.path() + "/data", "abc"}, {}, Numbers(0, 1)->schema()));
    storage::Fault fault;
    fault.point = point;
    fault.times = -1;
    fault.status = MakeError(ErrorKind::kConfig, "the disk is full", "Make room.");
    faulty.Inject(fault);
    Must(writer->Write(Numbers(0, 100)));
    const Status status = writer->Finish().status();
    EXPECT_EQ(KindOf(status), ErrorKind::kConfig) << status.ToString();
    EXPECT_EQ(RemedyOf(status), "Make room.");
    EXPECT_FALSE(writer->Write(Numbers(0, 1)).ok());
    EXPECT_FALSE(writer->Finish().ok());
    faulty.Clear();
    Must(writer->Abort());
    EXPECT_TRUE(FilesOnDisk().empty());
  }
}

TEST_F(DataFileWriterTest, BatchesOfAnotherSchemaAreRefused) {
  auto writer = MakeWriter(OneLong(), Numbers(0, 1)->schema(), {});
  EXPECT_FALSE(writer->Write(OneColumn(FromJson(arrow::int32(), "[1]"))).ok());
  Must(writer->Write(Numbers(0, 1)));
  EXPECT_EQ(Must(writer->Finish()).size(), 1u);
}

}  // namespace
}  // namespace calve::datafile
