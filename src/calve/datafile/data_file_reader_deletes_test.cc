// Rows deleted by position and by equality. Spec: "Position Delete Files", "Equality Delete Files".
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "calve/datafile/testing_read_files.h"

namespace calve::datafile {
namespace {

using arrow::TimeUnit;
using iceberg::DataFile;
using iceberg::FileContent;
using iceberg::NestedField;
using iceberg::Schema;
using iceberg::Type;
using iceberg::TypeId;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class DeletesTest : public DataFilesTest {
 protected:
  DataFile Foreign(const arrow::FieldVector& fields, const arrow::ArrayVector& columns,
                   const ForeignOptions& options = {}) {
    return WriteForeign(fmt::format("{}/f{}.parquet", folder_.path(), ++files_), *TableOf(fields, columns), options);
  }

  // Rows of any number of data files.
  DataFile PositionDeletesOf(const std::vector<std::pair<std::string, int64_t>>& rows,
                             const ForeignOptions& options = {}, bool ids = true) {
    arrow::StringBuilder paths;
    arrow::Int64Builder positions;
    for (const auto& [path, position] : rows) {
      Must(paths.Append(path));
      Must(positions.Append(position));
    }
    DataFile file = Foreign({FieldWithId(ids ? 2'147'483'546 : -1, "file_path", arrow::utf8(), false),
                             FieldWithId(ids ? 2'147'483'545 : -1, "pos", arrow::int64(), false)},
                            {Must(paths.Finish()), Must(positions.Finish())}, options);
    file.content = FileContent::kPositionDeletes;
    return file;
  }

  DataFile EqualityDeletesOf(std::vector<int> ids, const arrow::FieldVector& fields,
                             const arrow::ArrayVector& columns) {
    DataFile file = Foreign(fields, columns);
    file.content = FileContent::kEqualityDeletes;
    file.equality_ids = std::move(ids);
    return file;
  }

  // Positions that are left.
  Result<std::vector<int64_t>> TryLeft(const DataFile& file, std::vector<DataFile> deletes, const Schema& table_schema,
                                       int64_t batch_rows = 65'536) {
    ReadRequest request;
    request.table_schema = table_schema;
    request.deletes = std::move(deletes);
    request.batch_rows = batch_rows;
    ARROW_ASSIGN_OR_RAISE(const ReadRows rows, TryRead(*file_io_, file, request));
    return rows.positions;
  }
  std::vector<int64_t> Left(const DataFile& file, std::vector<DataFile> deletes, const Schema& table_schema = {},
                            int64_t batch_rows = 65'536) {
    return Must(TryLeft(file, std::move(deletes), table_schema, batch_rows));
  }

  // What a delete of the entries 0 and 2 of `deleted` leaves of `data`, both of one column of that type.
  std::vector<int64_t> LeftOf(const std::shared_ptr<arrow::DataType>& stored, const Type& type, const std::string& data,
                              const std::string& deleted) {
    Schema schema;
    schema.fields = {Optional(1, "k", type)};
    const auto field = FieldWithId(1, "k", stored);
    return Left(Foreign({field}, {FromJson(stored, data)}),
                {EqualityDeletesOf({1}, {field}, {FromJson(stored, deleted)})}, schema);
  }

 private:
  int files_ = 0;
};

TEST_F(DeletesTest, ByPositionOnlyInTheFileThatIsNamed) {
  const DataFile file = WriteAll(OneLong(), {Numbers(100, 10)}).at(0);
  const std::string& path = file.file_path;
  const auto deletes = PositionDeletesOf({{path + ".other", 1}, {path, 0}, {path, 4}, {path, 5}, {path, 9}, {"z", 2}});
  for (const int64_t batch_rows : {1, 3, 5, 100}) {
    EXPECT_THAT(Left(file, {deletes}, {}, batch_rows), ElementsAre(1, 2, 3, 6, 7, 8)) << batch_rows;
  }
  ReadRequest request;
  request.schema = OneLong();
  request.deletes = {deletes, PositionDeletesOf({{path, 3}, {path, 4}, {path, 100}, {path, -1}})};
  const ReadRows rows = Read(*file_io_, file, request);
  EXPECT_TRUE(ColumnOf(rows, 0)->Equals(*FromJson(arrow::int64(), "[101, 102, 106, 107, 108]")));
  EXPECT_THAT(rows.positions, ElementsAre(1, 2, 6, 7, 8));
}

TEST_F(DeletesTest, ByPositionHoweverTheFileIsStored) {
  const DataFile file = WriteAll(OneLong(), {Numbers(0, 5'000)}).at(0);
  std::vector<std::pair<std::string, int64_t>> rows;
  for (int i = 0; i < 3'000; ++i) rows.emplace_back("a", i);
  for (int i = 0; i < 4'999; ++i) rows.emplace_back(file.file_path, i);
  for (int i = 0; i < 3'000; ++i) rows.emplace_back(std::string(300, 'z'), i);
  ForeignOptions small;
  small.row_group_rows = 700;
  small.page_bytes = 512;
  ForeignOptions plain;
  plain.dictionary = false;
  plain.arrow_schema = true;
  for (const ForeignOptions& options : {ForeignOptions{}, small, plain}) {
    for (const bool ids : {true, false}) {
      EXPECT_THAT(Left(file, {PositionDeletesOf(rows, options, ids)}), ElementsAre(4'999));
    }
  }
  rows.emplace_back(file.file_path, 4'999);
  EXPECT_THAT(Left(file, {PositionDeletesOf(rows)}), IsEmpty());
}

TEST_F(DeletesTest, PositionsCountFromTheFilesBeginningWhateverIsPruned) {
  arrow::TimestampBuilder times(arrow::timestamp(TimeUnit::MICRO, "UTC"), arrow::default_memory_pool());
  for (int64_t i = 0; i < 1'000; ++i) Must(times.Append(i));
  ForeignOptions options;
  options.row_group_rows = 100;
  const DataFile file =
      Foreign({FieldWithId(1, "ts", arrow::timestamp(TimeUnit::MICRO, "UTC"))}, {Must(times.Finish())}, options);
  ReadRequest request;
  request.schema.fields = {Optional(1, "ts", Type::Of(TypeId::kTimestampTz))};
  request.range = iceberg::RowRange{1, 250, 254};
  request.deletes = {PositionDeletesOf({{file.file_path, 251}, {file.file_path, 254}, {file.file_path, 700}})};
  EXPECT_THAT(Read(*file_io_, file, request).positions, ElementsAre(252, 253));
}

TEST_F(DeletesTest, DeletionVectorsAndOtherFormatsAreRefused) {
  const DataFile file = WriteAll(OneLong(), {Numbers(0, 5)}).at(0);
  DataFile vector = PositionDeletesOf({{file.file_path, 1}});
  vector.file_format = "PUFFIN";
  const auto refused = TryLeft(file, {vector}, {});
  EXPECT_EQ(KindOf(refused.status()), ErrorKind::kUnsupported);
  EXPECT_THAT(MessageOf(refused.status()), HasSubstr(vector.file_path));
  EXPECT_FALSE(RemedyOf(refused.status()).empty());
}

TEST_F(DeletesTest, ByEqualityOfOneColumn) {
  EXPECT_THAT(LeftOf(arrow::int64(), Type::Of(TypeId::kLong), "[1, 2, null, 3, 2]", "[2, 7]"), ElementsAre(0, 2, 3));
  EXPECT_THAT(LeftOf(arrow::int64(), Type::Of(TypeId::kLong), "[1, 2, null, 3, null]", "[null, 1]"), ElementsAre(1, 3));
  EXPECT_THAT(LeftOf(arrow::int32(), Type::Of(TypeId::kLong), "[1, 2, -1]", "[-1]"), ElementsAre(0, 1));
  EXPECT_THAT(LeftOf(arrow::boolean(), Type::Of(TypeId::kBoolean), "[true, false, null]", "[false]"),
              ElementsAre(0, 2));
  EXPECT_THAT(LeftOf(arrow::float64(), Type::Of(TypeId::kDouble), "[NaN, 0.0, -0.0, 1.5]", "[NaN, -0.0]"),
              ElementsAre(1, 3));
  EXPECT_THAT(LeftOf(arrow::float32(), Type::Of(TypeId::kDouble), "[NaN, 0.5, 0.1]", "[NaN, 0.1]"), ElementsAre(1));
  EXPECT_THAT(LeftOf(arrow::utf8(), Type::Of(TypeId::kString), R"(["a", "", null, "ab", "a"])", R"(["a", ""])"),
              ElementsAre(2, 3));
  EXPECT_THAT(LeftOf(arrow::binary(), Type::Of(TypeId::kBinary), R"(["a", "b"])", R"(["b"])"), ElementsAre(0));
  EXPECT_THAT(LeftOf(arrow::decimal128(20, 2), Type::Decimal(38, 2), R"(["1.00", "-1.00"])", R"(["-1.00"])"),
              ElementsAre(0));
  EXPECT_THAT(LeftOf(arrow::decimal32(7, 2), Type::Decimal(12, 2), R"(["1.00", "-1.00"])", R"(["1.00"])"),
              ElementsAre(1));
  EXPECT_THAT(LeftOf(arrow::date32(), Type::Of(TypeId::kDate), "[-1, 0, 1]", "[-1, 1]"), ElementsAre(1));
  EXPECT_THAT(LeftOf(arrow::timestamp(TimeUnit::MICRO, "UTC"), Type::Of(TypeId::kTimestampTz), "[-1, 0, 1]", "[0]"),
              ElementsAre(0, 2));
  EXPECT_THAT(LeftOf(arrow::fixed_size_binary(3), Type::Fixed(3), R"(["abc", "abd"])", R"(["abd"])"), ElementsAre(0));
}

TEST_F(DeletesTest, ByEqualityOfSeveralColumns) {
  Schema schema;
  schema.fields = {Optional(1, "a", Type::Of(TypeId::kString)), Optional(2, "b", Type::Of(TypeId::kString)),
                   Optional(3, "added", Type::Of(TypeId::kInt)), Optional(4, "n", Type::Of(TypeId::kLong))};
  const auto a = FieldWithId(1, "a", arrow::utf8());
  const auto b = FieldWithId(2, "b", arrow::utf8());
  const DataFile file = Foreign({a, b}, {FromJson(arrow::utf8(), R"(["x", "xy", "x", null, "q"])"),
                                         FromJson(arrow::utf8(), R"(["yz", "z", null, "x", "q"])")});
  // Neither the joined text nor the columns' order may be confused.
  EXPECT_THAT(
      Left(file,
           {EqualityDeletesOf({1, 2}, {a, b},
                              {FromJson(arrow::utf8(), R"(["xy", null])"), FromJson(arrow::utf8(), R"(["z", "x"])")})},
           schema),
      ElementsAre(0, 2, 4));
  EXPECT_THAT(Left(file,
                   {EqualityDeletesOf({2, 1}, {b, a},
                                      {FromJson(arrow::utf8(), R"(["yz"])"), FromJson(arrow::utf8(), R"(["x"])")}),
                    EqualityDeletesOf(
                        {2}, {a, b}, {FromJson(arrow::utf8(), R"(["ignored"])"), FromJson(arrow::utf8(), R"(["q"])")})},
                   schema),
              ElementsAre(1, 2, 3));
  // A column that came later is null in older files.
  const auto added = FieldWithId(3, "added", arrow::int32());
  EXPECT_THAT(Left(file, {EqualityDeletesOf({3}, {added}, {FromJson(arrow::int32(), "[1]")})}, schema),
              ElementsAre(0, 1, 2, 3, 4));
  EXPECT_THAT(Left(file, {EqualityDeletesOf({3}, {added}, {FromJson(arrow::int32(), "[null]")})}, schema), IsEmpty());
}

TEST_F(DeletesTest, KeysThatCannotBeLookedUpAreErrors) {
  const auto field = FieldWithId(1, "c", arrow::int64());
  const DataFile file = WriteAll(OneLong(), {Numbers(0, 5)}).at(0);
  const auto ones = FromJson(arrow::int64(), "[1]");
  EXPECT_EQ(KindOf(TryLeft(file, {EqualityDeletesOf({9}, {field}, {ones})}, OneLong()).status()),
            ErrorKind::kUnsupported);
  EXPECT_EQ(KindOf(TryLeft(file, {EqualityDeletesOf({}, {field}, {ones})}, OneLong()).status()), ErrorKind::kCorrupt);
  const auto missing = EqualityDeletesOf({1}, {FieldWithId(2, "d", arrow::int64())}, {ones});
  const auto status = TryLeft(file, {missing}, OneLong()).status();
  EXPECT_EQ(KindOf(status), ErrorKind::kCorrupt);
  EXPECT_THAT(MessageOf(status), HasSubstr(missing.file_path));
  DataFile damaged = PositionDeletesOf({{file.file_path, 1}});
  Spill(damaged.file_path, Slurp(damaged.file_path).substr(0, 50));
  const auto broken = TryLeft(file, {damaged}, {}).status();
  EXPECT_EQ(KindOf(broken), ErrorKind::kCorrupt);
  EXPECT_THAT(MessageOf(broken), HasSubstr(damaged.file_path));
}

TEST_F(DeletesTest, RangePositionsAndKeysTogether) {
  const auto ts = FieldWithId(1, "ts", arrow::timestamp(TimeUnit::MICRO, "UTC"));
  const auto name = FieldWithId(2, "name", arrow::utf8());
  const DataFile file = Foreign({ts, name}, {FromJson(ts->type(), "[1, 2, 3, 4, 5, 6, 7]"),
                                             FromJson(arrow::utf8(), R"(["a", "b", "a", "b", "a", "b", "a"])")});
  ReadRequest request;
  request.schema.fields = {Optional(1, "ts", Type::Of(TypeId::kTimestampTz))};
  request.table_schema.fields = {Optional(1, "ts", Type::Of(TypeId::kTimestampTz)),
                                 Optional(2, "name", Type::Of(TypeId::kString))};
  request.range = iceberg::RowRange{1, 1, 6};
  request.deletes = {PositionDeletesOf({{file.file_path, 2}}),
                     EqualityDeletesOf({2}, {name}, {FromJson(arrow::utf8(), R"(["b"])")})};
  const ReadRows rows = Read(*file_io_, file, request);
  EXPECT_THAT(rows.positions, ElementsAre(4));
  EXPECT_EQ(rows.table->num_columns(), 1);
}

}  // namespace
}  // namespace calve::datafile
