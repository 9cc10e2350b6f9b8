#include <gtest/gtest.h>

#include "calve/iceberg/table_metadata.h"

namespace calve::iceberg {
namespace {

constexpr char kUuid[] = "9c12d441-03fe-4693-9a96-a0705ddf69c1";

// Ids as another table had them, on purpose out of order.
Schema Source() {
  Schema schema;
  schema.schema_id = 4;
  schema.fields = {{30, "ts", true, Type::Of(TypeId::kTimestampTz), ""},
                   {10, "tags", false, Type::List(11, false, Type::Of(TypeId::kString)), ""},
                   {20, "id", true, Type::Of(TypeId::kLong), ""}};
  schema.identifier_field_ids = {20};
  return schema;
}

Result<TableMetadata> Make(const Schema& schema, const PartitionSpec& spec = {}, const SortOrder& order = {},
                           const std::map<std::string, std::string>& properties = {}) {
  return NewTableMetadata(schema, spec, order, "file:///srv/cold/t/", properties, kUuid, 1000);
}

TEST(NewTable, GivesFreshIdsAndRebindsToThem) {
  PartitionSpec spec{
      9, {{30, 1234, "ts_day", {TransformKind::kDay, 0, ""}}, {20, 0, "id_bucket", {TransformKind::kBucket, 4, ""}}}};
  SortOrder order{5, {{20, {}, false, false}}};
  auto metadata = Make(Source(), spec, order, {{"owner", "me"}, {"format-version", "2"}});
  ASSERT_TRUE(metadata.ok()) << metadata.status().ToString();
  EXPECT_EQ(metadata->format_version, 2);
  EXPECT_EQ(metadata->table_uuid, kUuid);
  EXPECT_EQ(metadata->location, "file:///srv/cold/t");
  EXPECT_EQ(metadata->last_updated_ms, 1000);
  EXPECT_EQ(metadata->last_sequence_number, 0);
  EXPECT_EQ(metadata->last_column_id, 4);
  EXPECT_EQ(metadata->schema().schema_id, 0);
  EXPECT_EQ(metadata->schema().FindField("ts")->id, 1);
  EXPECT_EQ(metadata->schema().FindField("id")->id, 3);
  EXPECT_EQ(metadata->schema().PathOf(4), "tags.element");
  EXPECT_EQ(metadata->schema().identifier_field_ids, std::vector<int>{3});
  EXPECT_EQ(metadata->spec().spec_id, 0);
  EXPECT_EQ(metadata->spec().fields[0].source_id, 1);
  EXPECT_EQ(metadata->spec().fields[0].field_id, 1000);
  EXPECT_EQ(metadata->spec().fields[1].source_id, 3);
  EXPECT_EQ(metadata->spec().fields[1].field_id, 1001);
  EXPECT_EQ(metadata->last_partition_id, 1001);
  EXPECT_EQ(metadata->sort_order().order_id, 1);
  EXPECT_EQ(metadata->sort_order().fields[0].source_id, 3);
  EXPECT_EQ(metadata->properties, (std::map<std::string, std::string>{{"owner", "me"}}));
  EXPECT_FALSE(metadata->current_snapshot_id.has_value());
  EXPECT_TRUE(metadata->refs.empty());
  // What was made can be written and read.
  auto again = ParseTableMetadata(WriteTableMetadata(*metadata));
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->schema(), metadata->schema());
  EXPECT_EQ(again->spec(), metadata->spec());
  EXPECT_EQ(again->sort_order(), metadata->sort_order());
}

TEST(NewTable, UnpartitionedAndUnsorted) {
  auto metadata = Make(Source());
  ASSERT_TRUE(metadata.ok());
  EXPECT_EQ(metadata->last_partition_id, 999);
  EXPECT_EQ(metadata->default_sort_order_id, 0);
  EXPECT_EQ(metadata->partition_specs.size(), 1u);
}

TEST(NewTable, SchemaWithoutIdsNeedsNone) {
  Schema schema;
  schema.fields = {{0, "a", false, Type::Of(TypeId::kInt), ""}, {0, "b", false, Type::Of(TypeId::kInt), ""}};
  ASSERT_TRUE(Make(schema).ok());
  EXPECT_EQ(Make(schema)->schema().FindField("b")->id, 2);
  // But a spec cannot say which column it means then.
  PartitionSpec spec{0, {{0, 0, "a", {}}}};
  EXPECT_EQ(KindOf(Make(schema, spec).status()), ErrorKind::kConfig);
}

void ExpectRefused(const Schema& schema, const PartitionSpec& spec, const SortOrder& order, const char* what) {
  auto metadata = Make(schema, spec, order);
  ASSERT_FALSE(metadata.ok()) << what;
  EXPECT_EQ(KindOf(metadata.status()), ErrorKind::kConfig) << metadata.status().ToString();
  EXPECT_NE(MessageOf(metadata.status()).find(what), std::string::npos) << MessageOf(metadata.status());
}

TEST(NewTable, RefusesWhatTheSpecForbids) {
  Schema twins = Source();
  twins.fields[2].name = "ts";
  twins.identifier_field_ids.clear();
  ExpectRefused(twins, {}, {}, "two columns are named 'ts'");
  Schema nanos = Source();
  nanos.fields[0].type = Type::Of(TypeId::kTimestampTzNs);
  ExpectRefused(nanos, {}, {}, "timestamptz_ns");
  Schema optional_key = Source();
  optional_key.fields[2].required = false;
  ExpectRefused(optional_key, {}, {}, "cannot identify rows");
  Schema nameless = Source();
  nameless.fields[0].name = "";
  ExpectRefused(nameless, {}, {}, "has no name");

  auto spec = [](std::vector<PartitionField> fields) { return PartitionSpec{0, std::move(fields)}; };
  Transform day{TransformKind::kDay, 0, ""};
  ExpectRefused(Source(), spec({{99, 0, "x", {}}}), {}, "field id 99");
  ExpectRefused(Source(), spec({{20, 0, "id_day", day}}), {}, "does not apply to type long");
  ExpectRefused(Source(), spec({{11, 0, "e", {}}}), {}, "no column with one value per row");
  ExpectRefused(Source(), spec({{30, 0, "a", day}, {30, 0, "b", day}}), {}, "repeats the transform");
  ExpectRefused(Source(), spec({{30, 0, "a", day}, {20, 0, "a", {}}}), {}, "two partition fields are named 'a'");
  ExpectRefused(Source(), spec({{30, 0, "id", day}}), {}, "name of another column");
  ExpectRefused(Source(), spec({{30, 0, "z", ParseTransform("zorder")}}), {}, "'zorder'");
  ExpectRefused(Source(), {}, SortOrder{1, {{10, {}, true, true}}}, "does not apply to type list<string>");
}

TEST(NewTable, RefusesOtherVersionsAndNoLocation) {
  EXPECT_EQ(KindOf(Make(Source(), {}, {}, {{"format-version", "3"}}).status()), ErrorKind::kConfig);
  EXPECT_EQ(KindOf(NewTableMetadata(Source(), {}, {}, "", {}, kUuid, 1).status()), ErrorKind::kConfig);
}

}  // namespace
}  // namespace calve::iceberg
