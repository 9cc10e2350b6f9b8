// Exactly the rows of a range, and no more bytes than that takes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <random>

#include "calve/datafile/testing_read_files.h"

namespace calve::datafile {
namespace {

using arrow::TimeUnit;
using iceberg::DataFile;
using iceberg::RowRange;
using iceberg::Type;
using iceberg::TypeId;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr int64_t kDay = 86'400'000'000;

class RowRangeTest : public DataFilesTest {
 protected:
  // Positions of the rows of the range in a file whose column 1 is `cursor`; column 2 holds each row's position.
  std::vector<int64_t> Rows(const std::shared_ptr<arrow::Array>& cursor, const Type& type, const RowRange& range,
                            const ForeignOptions& options = {}) {
    arrow::Int64Builder numbers;
    for (int64_t i = 0; i < cursor->length(); ++i) Must(numbers.Append(i));
    const auto table = TableOf({FieldWithId(1, "ts", cursor->type()), FieldWithId(2, "n", arrow::int64())},
                               {cursor, Must(numbers.Finish())});
    const DataFile file = WriteForeign(folder_.path() + "/ranged.parquet", *table, options);
    ReadRequest request;
    request.schema.fields = {Optional(2, "n", Type::Of(TypeId::kLong))};
    request.table_schema.fields = {Optional(1, "ts", type)};
    request.range = range;
    const ReadRows rows = Read(*file_io_, file, request);
    const auto column = ColumnOf(rows, 0);
    const auto& values = static_cast<const arrow::Int64Array&>(*column);
    std::vector<int64_t> read(values.raw_values(), values.raw_values() + values.length());
    EXPECT_EQ(read, rows.positions);
    return read;
  }
};

TEST_F(RowRangeTest, AfterIsOutsideUpToIsInsideNullIsInNone) {
  const auto cursor = FromJson(arrow::timestamp(TimeUnit::MICRO, "UTC"), "[9, 10, 11, null, 19, 20, 21, 15]");
  const Type type = Type::Of(TypeId::kTimestampTz);
  EXPECT_THAT(Rows(cursor, type, {1, 10, 20}), ElementsAre(2, 4, 5, 7));
  EXPECT_THAT(Rows(cursor, type, {1, std::nullopt, 10}), ElementsAre(0, 1));
  EXPECT_THAT(Rows(cursor, type, {1, 20, std::nullopt}), ElementsAre(6));
  EXPECT_THAT(Rows(cursor, type, {1, std::nullopt, std::nullopt}), ElementsAre(0, 1, 2, 4, 5, 6, 7));
  EXPECT_THAT(Rows(cursor, type, {1, 10, 10}), IsEmpty());
  EXPECT_THAT(Rows(cursor, type, {1, 21, 9}), IsEmpty());
}

TEST_F(RowRangeTest, TheEndsOfTheType) {
  constexpr int64_t kMin = std::numeric_limits<int64_t>::min();
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
  arrow::TimestampBuilder builder(arrow::timestamp(TimeUnit::MICRO, "UTC"), arrow::default_memory_pool());
  for (const int64_t value : {kMin, int64_t{0}, kMax}) Must(builder.Append(value));
  const auto cursor = Must(builder.Finish());
  const Type type = Type::Of(TypeId::kTimestampTz);
  EXPECT_THAT(Rows(cursor, type, {1, std::nullopt, std::nullopt}), ElementsAre(0, 1, 2));
  EXPECT_THAT(Rows(cursor, type, {1, kMin, kMax}), ElementsAre(1, 2));
  EXPECT_THAT(Rows(cursor, type, {1, std::nullopt, kMin}), ElementsAre(0));
  EXPECT_THAT(Rows(cursor, type, {1, kMax, std::nullopt}), IsEmpty());
}

TEST_F(RowRangeTest, OtherUnitsAreComparedInMicroseconds) {
  const auto nanos = FromJson(arrow::timestamp(TimeUnit::NANO, "UTC"), "[9999, 10000, 10001, 19999, 20000, 20001]");
  EXPECT_THAT(Rows(nanos, Type::Of(TypeId::kTimestampTzNs), {1, 10, 20}), ElementsAre(2, 3, 4));
  const auto negative = FromJson(arrow::timestamp(TimeUnit::NANO, "UTC"), "[-10001, -10000, -9999, -1, 0, 1]");
  EXPECT_THAT(Rows(negative, Type::Of(TypeId::kTimestampTzNs), {1, -10, 0}), ElementsAre(2, 3, 4));
  const auto millis = FromJson(arrow::timestamp(TimeUnit::MILLI, "UTC"), "[-2, -1, 0, 1, 2]");
  EXPECT_THAT(Rows(millis, Type::Of(TypeId::kTimestampTz), {1, -1'500, 1'500}), ElementsAre(1, 2, 3));
  EXPECT_THAT(Rows(millis, Type::Of(TypeId::kTimestampTz), {1, -1'000, 1'000}), ElementsAre(2, 3));
  const auto days = FromJson(arrow::date32(), "[-2, -1, 0, 1, 2]");
  EXPECT_THAT(Rows(days, Type::Of(TypeId::kDate), {1, -kDay, kDay}), ElementsAre(2, 3));
  EXPECT_THAT(Rows(days, Type::Of(TypeId::kDate), {1, -kDay - 1, kDay + 1}), ElementsAre(1, 2, 3));
  EXPECT_THAT(Rows(days, Type::Of(TypeId::kDate), {1, -kDay + 1, kDay - 1}), ElementsAre(2));
  ForeignOptions int96;
  int96.int96 = true;
  const auto micros = FromJson(arrow::timestamp(TimeUnit::MICRO, "UTC"), "[9, 10, 11, null, 20, 21]");
  EXPECT_THAT(Rows(micros, Type::Of(TypeId::kTimestampTz), {1, 10, 20}, int96), ElementsAre(2, 4));
}

TEST_F(RowRangeTest, AnyRowsOfAnyBatch) {
  std::mt19937_64 random(21);
  for (int round = 0; round < 40; ++round) {
    arrow::TimestampBuilder builder(arrow::timestamp(TimeUnit::MICRO, "UTC"), arrow::default_memory_pool());
    std::vector<std::optional<int64_t>> values;
    const bool sorted = round % 2 == 0;
    for (int64_t i = 0; i < 300; ++i) {
      const int64_t value = sorted ? i / 3 : static_cast<int64_t>(random() % 100);
      values.push_back(random() % 10 == 0 ? std::nullopt : std::optional(value));
      Must(values.back() ? builder.Append(value) : builder.AppendNull());
    }
    RowRange range{1, std::nullopt, std::nullopt};
    if (random() % 4 != 0) range.after = static_cast<int64_t>(random() % 110) - 5;
    if (random() % 4 != 0) range.up_to = static_cast<int64_t>(random() % 110) - 5;
    std::vector<int64_t> expected;
    for (size_t i = 0; i < values.size(); ++i) {
      if (!values[i] || (range.after && *values[i] <= *range.after) || (range.up_to && *values[i] > *range.up_to)) {
        continue;
      }
      expected.push_back(static_cast<int64_t>(i));
    }
    ForeignOptions options;
    options.row_group_rows = 1 + static_cast<int64_t>(random() % 120);
    EXPECT_EQ(Rows(Must(builder.Finish()), Type::Of(TypeId::kTimestampTz), range, options), expected);
  }
}

// Row groups outside of the range are filled with garbage: whoever reads them fails.
TEST_F(RowRangeTest, RowGroupsOutsideAreNotRead) {
  arrow::TimestampBuilder builder(arrow::timestamp(TimeUnit::MICRO, "UTC"), arrow::default_memory_pool());
  for (int64_t i = 0; i < 4'000; ++i) Must(builder.Append(i));
  const auto cursor = Must(builder.Finish());
  ForeignOptions options;
  options.row_group_rows = 1'000;
  const std::string path = folder_.path() + "/groups.parquet";
  const DataFile file = WriteForeign(path, *TableOf({FieldWithId(1, "ts", cursor->type())}, {cursor}), options);
  std::string bytes = Slurp(path);
  const auto metadata = Open(file)->metadata();
  ASSERT_EQ(metadata->num_row_groups(), 4);
  for (const int group : {0, 1, 3}) {
    const auto chunk = metadata->RowGroup(group)->ColumnChunk(0);
    const int64_t begin = chunk->has_dictionary_page() ? chunk->dictionary_page_offset() : chunk->data_page_offset();
    bytes.replace(static_cast<size_t>(begin), static_cast<size_t>(chunk->total_compressed_size()),
                  std::string(static_cast<size_t>(chunk->total_compressed_size()), '\xff'));
  }
  Spill(path, bytes);
  ReadRequest request;
  request.schema.fields = {Optional(1, "ts", Type::Of(TypeId::kTimestampTz))};
  request.range = RowRange{1, 1'999, 2'999};
  const ReadRows rows = Read(*file_io_, file, request);
  EXPECT_EQ(rows.positions.size(), 1'000u);
  EXPECT_EQ(rows.positions.front(), 2'000);
  request.range = RowRange{1, 1'998, 2'999};
  EXPECT_EQ(KindOf(TryRead(*file_io_, file, request).status()), ErrorKind::kCorrupt);
  request.range = RowRange{1, 1'999, 3'000};
  EXPECT_EQ(KindOf(TryRead(*file_io_, file, request).status()), ErrorKind::kCorrupt);
  request.range.reset();
  EXPECT_EQ(KindOf(TryRead(*file_io_, file, request).status()), ErrorKind::kCorrupt);
}

TEST_F(RowRangeTest, AFileWithoutTheColumnHasNoRowsInIt) {
  const DataFile file = WriteAll(OneLong(), {Numbers(0, 10)}).at(0);
  ReadRequest request;
  request.schema = OneLong();
  request.range = RowRange{7, std::nullopt, std::nullopt};
  EXPECT_EQ(KindOf(TryRead(*file_io_, file, request).status()), ErrorKind::kFailed) << "nobody knows field 7";
  request.table_schema.fields = {Required(7, "ts", Type::Of(TypeId::kTimestampTz))};
  EXPECT_EQ(Read(*file_io_, file, request).table->num_rows(), 0);
  request.range->field_id = 1;
  EXPECT_EQ(KindOf(TryRead(*file_io_, file, request).status()), ErrorKind::kUnsupported) << "a long is no time";
}

}  // namespace
}  // namespace calve::datafile
