#include "calve/offload/restore_conversion.h"

#include <gtest/gtest.h>

#include "calve/offload/cold_defaults.h"
#include "calve/offload/restore_table.h"
#include "calve/offload/snapshot_as_of.h"

namespace calve::offload {
namespace {

using iceberg::NestedField;
using iceberg::Type;
using iceberg::TypeId;

std::string Convert(const Type& cold, const std::string& hot, bool optional = false) {
  auto type = source::ParseClickHouseType(hot).ValueOrDie();
  auto text = ConversionTo("x", cold, optional, type, "c1");
  return text.ok() ? *text : "error: " + MessageOf(text.status());
}

TEST(RestoreConversionTest, EqualTypesPassAsTheyAre) {
  EXPECT_EQ(Convert(Type::Of(TypeId::kLong), "Int64"), "c1");
  EXPECT_EQ(Convert(Type::Of(TypeId::kString), "Nullable(String)", true), "c1");
  EXPECT_EQ(Convert(Type::Of(TypeId::kTimestampTz), "DateTime64(6, 'UTC')"), "c1");
  EXPECT_EQ(Convert(Type::List(0, true, Type::Of(TypeId::kLong)), "Array(Int64)"), "c1");
  EXPECT_EQ(Convert(Type::Of(TypeId::kLong), "SimpleAggregateFunction(max, Int64)"), "c1");
}

TEST(RestoreConversionTest, NumbersAreChecked) {
  EXPECT_EQ(Convert(Type::Of(TypeId::kLong), "UInt64"), "accurateCast(c1, 'UInt64')");
  EXPECT_EQ(Convert(Type::Decimal(38, 8), "Decimal(18, 8)"), "CAST(c1, 'Decimal(18, 8)')");
  EXPECT_NE(Convert(Type::Decimal(38, 8), "Decimal(18, 2)").find("throwIf"), std::string::npos);
  EXPECT_NE(Convert(Type::Of(TypeId::kDouble), "Float32").find("throwIf"), std::string::npos);
  EXPECT_TRUE(Convert(Type::Decimal(38, 8), "UInt64").starts_with("error")) << "digits would be cut";
}

TEST(RestoreConversionTest, TimesThatLoseDigitsThrow) {
  const std::string coarse = Convert(Type::Of(TypeId::kTimestampTz), "DateTime64(3, 'UTC')");
  EXPECT_EQ(
      coarse,
      "if(throwIf(ifNull(CAST(CAST(c1, 'DateTime64(3, \\'UTC\\')'), 'DateTime64(6, \\'UTC\\')') != c1, 0), 'column x: "
      "a value of the cold table does not fit DateTime64(3, \\'UTC\\')'), CAST(c1, 'DateTime64(3, \\'UTC\\')'), "
      "CAST(c1, 'DateTime64(3, \\'UTC\\')'))");
  EXPECT_EQ(Convert(Type::Of(TypeId::kTimestampTz), "DateTime64(6, 'Asia/Tokyo')"),
            "CAST(c1, 'DateTime64(6, \\'Asia/Tokyo\\')')");
}

TEST(RestoreConversionTest, UuidsAreTakenApartAtEveryDepth) {
  EXPECT_EQ(Convert(Type::Of(TypeId::kUuid), "UUID"), "CAST(UUIDNumToString(c1), 'UUID')");
  EXPECT_EQ(Convert(Type::List(0, true, Type::Of(TypeId::kUuid)), "Array(UUID)"),
            "CAST(arrayMap(_e1 -> CAST(UUIDNumToString(_e1), 'UUID'), c1), 'Array(UUID)')");
  const Type nested = Type::Map(0, Type::Of(TypeId::kString), 0, true, Type::List(0, true, Type::Of(TypeId::kUuid)));
  EXPECT_EQ(Convert(nested, "Map(String, Array(UUID))"),
            "CAST((mapKeys(c1), arrayMap(_e2 -> CAST(arrayMap(_e3 -> CAST(UUIDNumToString(_e3), 'UUID'), _e2), "
            "'Array(UUID)'), mapValues(c1))), 'Map(String, Array(UUID))')");
}

TEST(RestoreConversionTest, TupleElementsGoByName) {
  const Type cold = Type::Struct({NestedField{1, "b", true, Type::Of(TypeId::kString), ""},
                                  NestedField{2, "a", true, Type::Of(TypeId::kInt), ""}});
  EXPECT_EQ(Convert(cold, "Tuple(a Int32, b String)"),
            "CAST(tuple(tupleElement(c1, 2), tupleElement(c1, 1)), 'Tuple(a Int32, b String)')");
  EXPECT_TRUE(Convert(cold, "Tuple(a Int32, c String)").starts_with("error"));
}

TEST(RestoreConversionTest, StatesAndTheLikeAreRefusedWithTheWayOut) {
  auto type = source::ParseClickHouseType("AggregateFunction(count)").ValueOrDie();
  const Status status = ConversionTo("n", Type::Of(TypeId::kLong), false, type, "c1").status();
  EXPECT_EQ(KindOf(status), ErrorKind::kUnsupported);
  EXPECT_NE(RemedyOf(status).find("--set 'n="), std::string::npos);
  EXPECT_TRUE(Convert(Type::Of(TypeId::kString), "Variant(String, UInt8)").starts_with("error"));
  EXPECT_TRUE(Convert(Type::Of(TypeId::kTime), "Int64").starts_with("error"));
}

TEST(RestoreConversionTest, ATableForTheRows) {
  iceberg::Schema schema;
  schema.fields = {NestedField{1, "ts", false, Type::Of(TypeId::kTimestampTz), ""},
                   NestedField{2, "odd `name", false, Type::Decimal(38, 8), ""},
                   NestedField{3, "id", true, Type::Of(TypeId::kUuid), ""},
                   NestedField{4, "tags", false, Type::List(5, false, Type::Of(TypeId::kString)), ""}};
  EXPECT_EQ(
      CreateTableText("db", "t", schema, "ts").ValueOrDie(),
      "CREATE TABLE `db`.`t`\n(\n    `ts` DateTime64(6, 'UTC'),\n    `odd ``name` Nullable(Decimal(38, 8)),\n    `id` "
      "UUID,\n    `tags` Array(Nullable(String))\n)\nENGINE = MergeTree\nORDER BY `ts`");
}

TEST(SnapshotAsOfTest, TheSnapshotOfATime) {
  iceberg::TableMetadata metadata;
  for (int64_t id : {1, 2, 3}) {
    iceberg::Snapshot snapshot;
    snapshot.snapshot_id = id;
    metadata.snapshots.push_back(snapshot);
  }
  metadata.snapshot_log = {{1000, 1}, {2000, 2}, {3000, 1}, {4000, 9}};  // rolled back at 3000; 9 is gone
  EXPECT_EQ(SnapshotAsOf(metadata, 1'000'000).ValueOrDie(), 1);
  EXPECT_EQ(SnapshotAsOf(metadata, 2'999'999).ValueOrDie(), 2);
  EXPECT_EQ(SnapshotAsOf(metadata, 3'000'000).ValueOrDie(), 1);
  EXPECT_EQ(KindOf(SnapshotAsOf(metadata, 999'999).status()), ErrorKind::kNotFound);
  EXPECT_EQ(KindOf(SnapshotAsOf(metadata, 5'000'000).status()), ErrorKind::kNotFound);
}

TEST(ColdDefaultsTest, Literals) {
  for (const char* text : {"5", "-1.5", "'x'", "'it\\'s'", "true", "[]"}) EXPECT_TRUE(IsLiteral(text)) << text;
  for (const char* text : {"", "-", "now()", "a", "'x' || b", "rand()", "'a', 'b'"})
    EXPECT_FALSE(IsLiteral(text)) << text;
}

TEST(RestoreTableTest, TheTtlThatDeletesRows) {
  auto ttl = [](const std::string& tail) {
    return RowTtl("CREATE TABLE t (a Int32 TTL b)\nENGINE = MergeTree\nORDER BY a" + tail);
  };
  EXPECT_EQ(ttl("\nTTL ts + toIntervalDay(7)\nSETTINGS index_granularity = 8192"), "ts + toIntervalDay(7)");
  EXPECT_EQ(ttl("\nTTL ts + toIntervalDay(7) DELETE"), "ts + toIntervalDay(7)");
  EXPECT_EQ(ttl("\nTTL greatest(a, b)"), "greatest(a, b)");
  EXPECT_EQ(ttl(""), std::nullopt);
  EXPECT_EQ(ttl("\nTTL a + 1, b + 2"), std::nullopt);
  EXPECT_EQ(ttl("\nTTL a TO DISK 'x'"), std::nullopt);
  EXPECT_EQ(ttl("\nTTL a WHERE b = 1"), std::nullopt);
}

}  // namespace
}  // namespace calve::offload
