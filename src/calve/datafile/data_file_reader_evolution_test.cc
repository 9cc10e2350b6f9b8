// Files that do not look like the schema they are read by: older schemas, other writers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "calve/datafile/testing_read_files.h"

namespace calve::datafile {
namespace {

using arrow::TimeUnit;
using iceberg::DataFile;
using iceberg::NestedField;
using iceberg::Schema;
using iceberg::Type;
using iceberg::TypeId;
using testing::HasSubstr;

class EvolutionTest : public DataFilesTest {
 protected:
  DataFile Write(const arrow::FieldVector& fields, const arrow::ArrayVector& columns,
                 const ForeignOptions& options = {}) {
    return WriteForeign(folder_.path() + "/foreign.parquet", *TableOf(fields, columns), options);
  }
  Result<ReadRows> ReadAs(const DataFile& file, std::vector<NestedField> fields) {
    ReadRequest request;
    request.schema.fields = std::move(fields);
    request.dictionaries = false;
    return TryRead(*file_io_, file, request);
  }
  // One column "c" of id 1, written as `array`, read as `type`.
  Result<ReadRows> As(const std::shared_ptr<arrow::Array>& array, const Type& type,
                      const ForeignOptions& options = {}) {
    return ReadAs(Write({FieldWithId(1, "c", array->type())}, {array}, options), {Optional(1, "c", type)});
  }
  void ExpectAs(const std::shared_ptr<arrow::Array>& array, const Type& type,
                const std::shared_ptr<arrow::Array>& expected, const ForeignOptions& options = {}) {
    const auto rows = As(array, type, options);
    ASSERT_TRUE(rows.ok()) << rows.status().ToString();
    const auto read = ColumnOf(*rows, 0);
    EXPECT_TRUE(read->Equals(*expected)) << type.ToString() << ": " << read->ToString();
  }
};

TEST_F(EvolutionTest, Promotions) {
  ExpectAs(FromJson(arrow::int32(), "[1, null, -2147483648]"), Type::Of(TypeId::kLong),
           FromJson(arrow::int64(), "[1, null, -2147483648]"));
  ExpectAs(FromJson(arrow::float32(), "[1.5, null]"), Type::Of(TypeId::kDouble),
           FromJson(arrow::float64(), "[1.5, null]"));
  const auto money = [](const auto& type) { return FromJson(type, R"(["1.25", null, "-9999.99"])"); };
  const std::vector<std::shared_ptr<arrow::DataType>> stored = {
      arrow::decimal32(6, 2),   arrow::decimal64(6, 2),   arrow::decimal128(6, 2),  arrow::decimal64(12, 2),
      arrow::decimal128(12, 2), arrow::decimal128(18, 2), arrow::decimal128(30, 2),
  };
  for (const auto& from : stored) {
    const int precision = static_cast<const arrow::DecimalType&>(*from).precision();
    for (const int to : {6, 9, 12, 18, 19, 30, 38}) {
      SCOPED_TRACE(from->ToString() + " to " + std::to_string(to));
      const auto target = to <= 9    ? arrow::decimal32(to, 2)
                          : to <= 18 ? arrow::decimal64(to, 2)
                                     : arrow::decimal128(to, 2);
      if (to < precision) {
        EXPECT_EQ(KindOf(As(money(from), Type::Decimal(to, 2)).status()), ErrorKind::kUnsupported);
      } else {
        ExpectAs(money(from), Type::Decimal(to, 2), money(target));
      }
    }
  }
}

TEST_F(EvolutionTest, WhatDoesNotPromoteIsRefused) {
  struct Case {
    std::shared_ptr<arrow::Array> array;
    Type type;
  };
  const std::vector<Case> cases = {
      {FromJson(arrow::int64(), "[1]"), Type::Of(TypeId::kInt)},
      {FromJson(arrow::float64(), "[1]"), Type::Of(TypeId::kFloat)},
      {FromJson(arrow::int32(), "[1]"), Type::Of(TypeId::kDate)},
      {FromJson(arrow::int64(), "[1]"), Type::Of(TypeId::kTimestampTz)},
      {FromJson(arrow::int32(), "[1]"), Type::Of(TypeId::kDouble)},
      {FromJson(arrow::decimal64(12, 2), R"(["1.00"])"), Type::Decimal(12, 3)},
      {FromJson(arrow::utf8(), R"(["a"])"), Type::Of(TypeId::kUuid)},
      {FromJson(arrow::fixed_size_binary(3), R"(["abc"])"), Type::Fixed(4)},
      {FromJson(arrow::utf8(), R"(["a"])"), Type::List(2, false, Type::Of(TypeId::kString))},
      {FromJson(arrow::list(arrow::utf8()), R"([["a"]])"), Type::Of(TypeId::kString)},
      {FromJson(arrow::list(arrow::int64()), "[[1]]"), Type::List(2, false, Type::Of(TypeId::kInt))},
  };
  for (const Case& refused : cases) {
    const auto rows = As(refused.array, refused.type);
    EXPECT_EQ(KindOf(rows.status()), ErrorKind::kUnsupported) << refused.type.ToString();
    EXPECT_THAT(MessageOf(rows.status()), HasSubstr("column c"));
    EXPECT_THAT(MessageOf(rows.status()), HasSubstr("foreign.parquet"));
  }
}

TEST_F(EvolutionTest, TimestampsInOtherUnits) {
  const auto micros = [](const char* json) { return FromJson(arrow::timestamp(TimeUnit::MICRO, "UTC"), json); };
  const Type target = Type::Of(TypeId::kTimestampTz);
  ExpectAs(FromJson(arrow::timestamp(TimeUnit::MILLI, "UTC"), "[-1, null, 1723162558342]"), target,
           micros("[-1000, null, 1723162558342000]"));
  ExpectAs(FromJson(arrow::timestamp(TimeUnit::MICRO), "[-1, null]"), target, micros("[-1, null]"));
  ExpectAs(FromJson(arrow::timestamp(TimeUnit::MICRO, "UTC"), "[-1, null]"), Type::Of(TypeId::kTimestamp),
           FromJson(arrow::timestamp(TimeUnit::MICRO), "[-1, null]"));
  ExpectAs(FromJson(arrow::timestamp(TimeUnit::NANO, "UTC"), "[-7000, null]"), target, micros("[-7, null]"));
  EXPECT_EQ(KindOf(As(FromJson(arrow::timestamp(TimeUnit::NANO, "UTC"), "[-7001]"), target).status()),
            ErrorKind::kValue);
  ForeignOptions int96;
  int96.int96 = true;  // Spark's default until 3.0
  ExpectAs(FromJson(arrow::timestamp(TimeUnit::MICRO, "UTC"), "[-1, null, 1723162558342001]"), target,
           micros("[-1, null, 1723162558342001]"), int96);
}

TEST_F(EvolutionTest, WhatTheArrowSchemaInTheFileAsksFor) {
  ForeignOptions stored;
  stored.arrow_schema = true;
  ExpectAs(FromJson(arrow::large_utf8(), R"(["a", null, "é"])"), Type::Of(TypeId::kString),
           FromJson(arrow::utf8(), R"(["a", null, "é"])"), stored);
  ExpectAs(FromJson(arrow::large_binary(), R"(["a", null])"), Type::Of(TypeId::kBinary),
           FromJson(arrow::binary(), R"(["a", null])"), stored);
  const auto dictionary = Must(arrow::DictionaryArray::FromArrays(FromJson(arrow::int32(), "[1, null, 0, 1]"),
                                                                  FromJson(arrow::utf8(), R"(["x", "y"])")));
  ExpectAs(dictionary, Type::Of(TypeId::kString), FromJson(arrow::utf8(), R"(["y", null, "x", "y"])"), stored);
  const auto rows = As(FromJson(arrow::large_list(arrow::large_utf8()), R"([["a", "b"], null, [], [null]])"),
                       Type::List(2, false, Type::Of(TypeId::kString)), stored);
  ASSERT_TRUE(rows.ok()) << rows.status().ToString();
  EXPECT_EQ(ColumnOf(*rows, 0)->ToString(),
            FromJson(arrow::list(arrow::utf8()), R"([["a", "b"], null, [], [null]])")->ToString());
}

TEST_F(EvolutionTest, OtherStorageOfTheSameValues) {
  ExpectAs(FromJson(arrow::binary(), R"(["a", null])"), Type::Of(TypeId::kString),
           FromJson(arrow::utf8(), R"(["a", null])"));
  ExpectAs(FromJson(arrow::utf8(), R"(["a", null])"), Type::Of(TypeId::kBinary),
           FromJson(arrow::binary(), R"(["a", null])"));
  ExpectAs(FromJson(arrow::fixed_size_binary(16), R"(["0123456789abcdef", null])"), Type::Of(TypeId::kUuid),
           FromJson(arrow::fixed_size_binary(16), R"(["0123456789abcdef", null])"));
  ExpectAs(FromJson(arrow::int16(), "[-5, null]"), Type::Of(TypeId::kInt), FromJson(arrow::int32(), "[-5, null]"));
  ExpectAs(FromJson(arrow::uint32(), "[4294967295, null]"), Type::Of(TypeId::kLong),
           FromJson(arrow::int64(), "[4294967295, null]"));
}

TEST_F(EvolutionTest, AddedColumnsAreNullAndRequiredOnesMustBeThere) {
  const DataFile file = Write({FieldWithId(1, "old", arrow::int64())}, {FromJson(arrow::int64(), "[1, 2]")});
  // The new column took the name of one that was dropped: ids decide.
  auto rows = ReadAs(file, {Optional(2, "old", Type::Of(TypeId::kString)), Optional(1, "id", Type::Of(TypeId::kLong)),
                            Optional(3, "tags", Type::List(4, true, Type::Of(TypeId::kInt)))});
  ASSERT_TRUE(rows.ok()) << rows.status().ToString();
  EXPECT_EQ(ColumnOf(*rows, 0)->null_count(), 2);
  EXPECT_TRUE(ColumnOf(*rows, 1)->Equals(*FromJson(arrow::int64(), "[1, 2]")));
  EXPECT_EQ(ColumnOf(*rows, 2)->null_count(), 2);
  const auto missing = ReadAs(file, {Required(5, "must", Type::Of(TypeId::kString))});
  EXPECT_EQ(KindOf(missing.status()), ErrorKind::kCorrupt);
  EXPECT_THAT(MessageOf(missing.status()), HasSubstr("must"));
  const DataFile nulls = Write({FieldWithId(1, "old", arrow::int64())}, {FromJson(arrow::int64(), "[1, null]")});
  EXPECT_EQ(KindOf(ReadAs(nulls, {Required(1, "old", Type::Of(TypeId::kLong))}).status()), ErrorKind::kCorrupt);
}

// list<struct<x: int, y: text>> and what the table made of it.
TEST_F(EvolutionTest, NestedFieldsAreAddedDroppedMovedAndPromoted) {
  const auto element = arrow::struct_({FieldWithId(3, "x", arrow::int32()), FieldWithId(4, "y", arrow::utf8())});
  const auto list = arrow::list(FieldWithId(2, "element", element));
  const auto pairs = arrow::struct_({FieldWithId(11, "a", arrow::int32()), FieldWithId(12, "b", arrow::int32())});
  const DataFile file =
      Write({FieldWithId(1, "items", list), FieldWithId(10, "pair", pairs)},
            {FromJson(list, R"([[{"x": 1, "y": "a"}, null], [], null, [{"x": null, "y": "b"}]])"),
             FromJson(pairs, R"([{"a": 1, "b": 2}, null, {"a": null, "b": 4}, {"a": 5, "b": null}])")});
  const Type wanted = Type::List(
      2, false,
      Type::Struct({Optional(5, "new", Type::Of(TypeId::kDate)), Optional(3, "x_renamed", Type::Of(TypeId::kLong))}));
  const auto rows = ReadAs(file, {Optional(1, "items", wanted),
                                  Optional(10, "pair", Type::Struct({Optional(13, "c", Type::Of(TypeId::kInt))}))});
  ASSERT_TRUE(rows.ok()) << rows.status().ToString();
  Schema schema;
  schema.fields = {Optional(1, "items", wanted)};
  const auto type = Must(ToArrowSchema(schema))->field(0)->type();
  EXPECT_TRUE(ColumnOf(*rows, 0)->Equals(
      *FromJson(type, R"([[{"new": null, "x_renamed": 1}, null], [], null, [{"new": null, "x_renamed": null}]])")))
      << ColumnOf(*rows, 0)->ToString();
  // A struct of which nothing is left still knows where it is null.
  const auto column = ColumnOf(*rows, 1);
  const auto& pair = static_cast<const arrow::StructArray&>(*column);
  EXPECT_EQ(pair.null_count(), 1);
  EXPECT_TRUE(pair.IsNull(1));
  EXPECT_EQ(pair.field(0)->null_count(), 4);
  const Type swapped =
      Type::Struct({Optional(12, "b", Type::Of(TypeId::kInt)), Optional(11, "a", Type::Of(TypeId::kInt))});
  const auto moved = ReadAs(file, {Optional(10, "pair", swapped)});
  ASSERT_TRUE(moved.ok()) << moved.status().ToString();
  const auto expected = FromJson(arrow::struct_({arrow::field("b", arrow::int32()), arrow::field("a", arrow::int32())}),
                                 R"([{"b": 2, "a": 1}, null, {"b": 4, "a": null}, {"b": null, "a": 5}])");
  EXPECT_TRUE(ColumnOf(*moved, 0)->Equals(*expected)) << ColumnOf(*moved, 0)->ToString();
}

TEST_F(EvolutionTest, MapsByPlaceAndAStructAsValue) {
  const auto value = arrow::struct_({FieldWithId(4, "n", arrow::int32())});
  const auto type =
      std::make_shared<arrow::MapType>(FieldWithId(2, "key", arrow::utf8(), false), FieldWithId(3, "value", value));
  const DataFile file =
      Write({FieldWithId(1, "m", type)}, {FromJson(type, R"([[["a", {"n": 1}], ["b", null]], null, []])")});
  const Type wanted =
      Type::Map(2, Type::Of(TypeId::kString), 3, false, Type::Struct({Optional(5, "new", Type::Of(TypeId::kInt))}));
  const auto rows = ReadAs(file, {Optional(1, "m", wanted)});
  ASSERT_TRUE(rows.ok()) << rows.status().ToString();
  Schema schema;
  schema.fields = {Optional(1, "m", wanted)};
  const auto expected =
      FromJson(Must(ToArrowSchema(schema))->field(0)->type(), R"([[["a", {"new": null}], ["b", null]], null, []])");
  EXPECT_TRUE(ColumnOf(*rows, 0)->Equals(*expected)) << ColumnOf(*rows, 0)->ToString();
  const Type moved = Type::Map(2, Type::Of(TypeId::kString), 9, false, Type::Struct({}));
  EXPECT_EQ(KindOf(ReadAs(file, {Optional(1, "m", moved)}).status()), ErrorKind::kCorrupt);
}

TEST_F(EvolutionTest, FilesWithoutIdsAreReadByName) {
  const auto pair = arrow::struct_({arrow::field("a", arrow::int32()), arrow::field("b", arrow::utf8())});
  const DataFile file = Write({arrow::field("id", arrow::int64()), arrow::field("pair", pair)},
                              {FromJson(arrow::int64(), "[1, null]"), FromJson(pair, R"([{"a": 1, "b": "x"}, null])")});
  const auto rows =
      ReadAs(file, {Optional(7, "pair",
                             Type::Struct({Optional(8, "b", Type::Of(TypeId::kString)),
                                           Optional(9, "other", Type::Of(TypeId::kInt))})),
                    Optional(3, "id", Type::Of(TypeId::kLong)), Optional(4, "ID", Type::Of(TypeId::kLong))});
  ASSERT_TRUE(rows.ok()) << rows.status().ToString();
  const auto expected =
      FromJson(arrow::struct_({arrow::field("b", arrow::utf8()), arrow::field("other", arrow::int32())}),
               R"([{"b": "x", "other": null}, null])");
  EXPECT_TRUE(ColumnOf(*rows, 0)->Equals(*expected)) << ColumnOf(*rows, 0)->ToString();
  EXPECT_TRUE(ColumnOf(*rows, 1)->Equals(*FromJson(arrow::int64(), "[1, null]")));
  EXPECT_EQ(ColumnOf(*rows, 2)->null_count(), 2);
}

TEST_F(EvolutionTest, TwoColumnsOfOneIdAreDamage) {
  const auto values = FromJson(arrow::int64(), "[1]");
  const DataFile file =
      Write({FieldWithId(1, "a", arrow::int64()), FieldWithId(1, "b", arrow::int64())}, {values, values});
  EXPECT_EQ(KindOf(ReadAs(file, {Optional(1, "a", Type::Of(TypeId::kLong))}).status()), ErrorKind::kCorrupt);
}

}  // namespace
}  // namespace calve::datafile
