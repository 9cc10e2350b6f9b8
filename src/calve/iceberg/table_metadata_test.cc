#include "calve/iceberg/table_metadata.h"

#include <gtest/gtest.h>

#include <chrono>
#include <nlohmann/json.hpp>

#include "calve/iceberg/testing_metadata.h"

namespace calve::iceberg {
namespace {

using nlohmann::json;

TableMetadata Parse(std::string_view text) {
  auto metadata = ParseTableMetadata(text);
  EXPECT_TRUE(metadata.ok()) << metadata.status().ToString();
  return metadata.ok() ? *metadata : TableMetadata{};
}

TEST(TableMetadata, ReadsV2) {
  TableMetadata metadata = Parse(kV2Json);
  EXPECT_EQ(metadata.format_version, 2);
  EXPECT_EQ(metadata.table_uuid, "9c12d441-03fe-4693-9a96-a0705ddf69c1");
  EXPECT_EQ(metadata.last_sequence_number, 34);
  EXPECT_EQ(metadata.schema().schema_id, 1);
  EXPECT_EQ(metadata.schema().identifier_field_ids, (std::vector<int>{1, 2}));
  EXPECT_EQ(metadata.schema().FindField("y")->doc, "comment");
  EXPECT_EQ(metadata.schema().FindField("price")->type, Type::Decimal(38, 8));
  EXPECT_EQ(metadata.schema().PathOf(9), "props.value.n");
  EXPECT_EQ(metadata.spec().fields[1].transform.ToString(), "zorder");
  EXPECT_EQ(metadata.sort_order().order_id, 3);
  EXPECT_FALSE(metadata.sort_order().fields[1].ascending);
  EXPECT_FALSE(metadata.sort_order().fields[1].nulls_first);
  EXPECT_EQ(metadata.properties.at("commit.retry.num-retries"), "4");
  ASSERT_NE(metadata.CurrentSnapshot(), nullptr);
  EXPECT_EQ(metadata.CurrentSnapshot()->parent_snapshot_id, 3051729675574597004);
  EXPECT_EQ(metadata.CurrentSnapshot()->summary.at("added-records"), "5");
  EXPECT_EQ(json::parse(metadata.CurrentSnapshot()->extra_json),
            json::parse(R"({"first-row-id":12,"later":{"a":[1,2.5,null]}})"));
  EXPECT_EQ(metadata.snapshots[0].extra_json, "");
  EXPECT_EQ(metadata.refs.at("main").min_snapshots_to_keep, 5);
  EXPECT_FALSE(metadata.refs.at("test").is_branch);
  EXPECT_EQ(metadata.refs.at("test").max_ref_age_ms, 10000000);
  EXPECT_EQ(metadata.snapshot_log.size(), 2u);
  EXPECT_EQ(metadata.metadata_log.at(0).metadata_file, "s3://bucket/.../v1.json");
}

TEST(TableMetadata, WritesWhatItRead) {
  // Everything that was there is there again, but for the spellings that are made canonical.
  json expected = json::parse(kV2Json);
  expected["properties"]["commit.retry.num-retries"] = "4";
  expected["schemas"][1]["fields"][2]["type"] = "decimal(38,8)";
  auto& zorder = expected["partition-specs"][0]["fields"][1];
  zorder.erase("source-ids");
  zorder["source-id"] = 2;
  EXPECT_EQ(json::parse(WriteTableMetadata(Parse(kV2Json))), expected);
}

TEST(TableMetadata, WritingIsStable) {
  for (std::string_view text : {kV1OldestJson, kV1Json, kV2Json, kClickHouseNewJson}) {
    std::string once = WriteTableMetadata(Parse(text));
    EXPECT_EQ(WriteTableMetadata(Parse(once)), once);
  }
}

TEST(TableMetadata, WritesAllThatV2Requires) {
  json written = json::parse(WriteTableMetadata(MetadataWithSnapshots(0)));
  for (const char* key :
       {"format-version", "table-uuid", "location", "last-sequence-number", "last-updated-ms", "last-column-id",
        "schemas", "current-schema-id", "partition-specs", "default-spec-id", "last-partition-id", "sort-orders",
        "default-sort-order-id", "properties", "refs", "snapshots", "snapshot-log", "metadata-log"}) {
    EXPECT_TRUE(written.contains(key)) << key;
  }
  EXPECT_FALSE(written.contains("schema"));
  EXPECT_FALSE(written.contains("partition-spec"));
  EXPECT_EQ(written["current-snapshot-id"], -1);  // as Java does in v2
  EXPECT_TRUE(written["refs"].empty());
}

TEST(TableMetadata, ReadsTheOldestV1) {
  TableMetadata metadata = Parse(kV1OldestJson);
  EXPECT_EQ(metadata.format_version, 1);
  EXPECT_EQ(metadata.table_uuid, "");
  EXPECT_EQ(metadata.location, "s3://bucket/test/location");
  EXPECT_EQ(metadata.schemas.size(), 1u);
  EXPECT_EQ(metadata.schema().fields.size(), 3u);
  // Java gave v1's partition fields ids in sequence.
  EXPECT_EQ(metadata.spec().fields[0].field_id, 1000);
  EXPECT_EQ(metadata.spec().fields[1].field_id, 1001);
  EXPECT_EQ(metadata.last_partition_id, 1001);
  EXPECT_TRUE(metadata.sort_order().fields.empty());
  EXPECT_EQ(metadata.last_sequence_number, 0);
  EXPECT_EQ(metadata.CurrentSnapshot()->v1_manifests.size(), 2u);
  EXPECT_EQ(metadata.refs.at("main").snapshot_id, 1);  // made from current-snapshot-id
}

TEST(TableMetadata, V1IsWrittenAsV1) {
  json written = json::parse(WriteTableMetadata(Parse(kV1OldestJson)));
  EXPECT_EQ(written["format-version"], 1);
  EXPECT_TRUE(written.contains("schema"));
  EXPECT_EQ(written["partition-spec"].size(), 2u);
  EXPECT_EQ(written["snapshots"][0]["manifests"].size(), 2u);
  EXPECT_FALSE(written["snapshots"][0].contains("manifest-list"));
  EXPECT_FALSE(written.contains("last-sequence-number"));
}

TEST(TableMetadata, NoSnapshotHasManySpellings) {
  json base = json::parse(kV1Json);
  std::vector<json> spellings = {base};
  base["current-snapshot-id"] = nullptr;
  spellings.push_back(base);
  base.erase("current-snapshot-id");
  spellings.push_back(base);
  base["refs"] = json::object();
  spellings.push_back(base);
  spellings.push_back(json::parse(kClickHouseNewJson));
  for (const json& spelling : spellings) {
    TableMetadata metadata = Parse(spelling.dump());
    EXPECT_FALSE(metadata.current_snapshot_id.has_value());
    EXPECT_EQ(metadata.CurrentSnapshot(), nullptr);
    EXPECT_TRUE(metadata.refs.empty());
  }
}

TEST(TableMetadata, MainDecidesWhereOnlyRefsAreThere) {
  json text = json::parse(kV2Json);
  text.erase("current-snapshot-id");
  EXPECT_EQ(Parse(text.dump()).current_snapshot_id, 3055729675574597004);
  text = json::parse(kV2Json);
  text["refs"].erase("main");
  EXPECT_EQ(Parse(text.dump()).refs.at("main").snapshot_id, 3055729675574597004);
}

TEST(TableMetadata, CountersAreNeverBelowWhatIsInUse) {
  json text = json::parse(kV2Json);
  text["last-partition-id"] = 0;
  text["last-column-id"] = 1;
  text["last-sequence-number"] = 0;
  TableMetadata metadata = Parse(text.dump());
  EXPECT_EQ(metadata.last_partition_id, 1001);
  EXPECT_EQ(metadata.last_column_id, 9);
  EXPECT_EQ(metadata.last_sequence_number, 1);
}

TEST(TableMetadata, V3IsReadAndNewerIsNot) {
  json text = json::parse(kV2Json);
  text["format-version"] = 3;
  text["next-row-id"] = 77;
  TableMetadata metadata = Parse(text.dump());
  EXPECT_EQ(metadata.format_version, 3);
  EXPECT_EQ(json::parse(WriteTableMetadata(metadata))["next-row-id"], 77);
  for (int version : {0, -1, 4, 99}) {
    text["format-version"] = version;
    EXPECT_EQ(KindOf(ParseTableMetadata(text.dump()).status()), ErrorKind::kUnsupported) << version;
  }
}

TEST(TableMetadata, TypesOfV3AreNamed) {
  json text = json::parse(kV2Json);
  text["schemas"][1]["fields"][0]["type"] = "variant";
  Status status = ParseTableMetadata(text.dump()).status();
  EXPECT_EQ(KindOf(status), ErrorKind::kUnsupported);
  EXPECT_NE(MessageOf(status).find("$.schemas[1].fields[0].type"), std::string::npos) << MessageOf(status);
}

TEST(TableMetadata, Properties) {
  TableMetadata metadata;
  metadata.properties = {{"n", "12"},     {"minus", "-5"}, {"bad", "12x"}, {"empty", ""},
                         {"yes", "TRUE"}, {"no", "false"}, {"maybe", "1"}};
  EXPECT_EQ(metadata.Property("n", "x"), "12");
  EXPECT_EQ(metadata.Property("none", "x"), "x");
  EXPECT_EQ(*metadata.IntProperty("n", 1), 12);
  EXPECT_EQ(*metadata.IntProperty("minus", 1), -5);
  EXPECT_EQ(*metadata.IntProperty("none", 1), 1);
  EXPECT_EQ(KindOf(metadata.IntProperty("bad", 1).status()), ErrorKind::kConfig);
  EXPECT_NE(MessageOf(metadata.IntProperty("bad", 1).status()).find("'12x'"), std::string::npos);
  EXPECT_FALSE(metadata.IntProperty("empty", 1).ok());
  EXPECT_TRUE(*metadata.BoolProperty("yes", false));
  EXPECT_FALSE(*metadata.BoolProperty("no", true));
  EXPECT_TRUE(*metadata.BoolProperty("none", true));
  EXPECT_EQ(KindOf(metadata.BoolProperty("maybe", true).status()), ErrorKind::kConfig);
}

TEST(TableMetadata, StringsOfAnyKindSurvive) {
  TableMetadata metadata = MetadataWithSnapshots(1);
  std::string odd = "\"\\/\b\f\n\r\t\x01\x1f\x7f ü € 🐻 </script>";
  metadata.properties = {{odd, odd}, {"", ""}};
  TableMetadata again = Parse(WriteTableMetadata(metadata));
  EXPECT_EQ(again.properties, metadata.properties);
}

TEST(TableMetadata, BrokenUtf8IsReplacedNotWritten) {
  TableMetadata metadata = MetadataWithSnapshots(1);
  metadata.properties = {{"k", "a\xff\xc3(b"}};
  EXPECT_EQ(Parse(WriteTableMetadata(metadata)).properties.at("k"), "a\uFFFD\uFFFD(b");
}

TEST(TableMetadata, LongHistoryIsQuick) {
  TableMetadata metadata = MetadataWithSnapshots(1000);
  std::string text = WriteTableMetadata(metadata);
  EXPECT_GT(text.size(), 900'000u);
  auto begin = std::chrono::steady_clock::now();
  TableMetadata again = Parse(text);
  std::string second = WriteTableMetadata(again);
  auto elapsed = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begin);
  RecordProperty("milliseconds", static_cast<int>(elapsed.count()));
  EXPECT_EQ(second, text);
  EXPECT_LT(elapsed.count(), 2000);  // release: under 50; this only catches what is not linear
  EXPECT_EQ(again.CurrentSnapshot()->snapshot_id, 1000);
}

TEST(SchemaJson, RoundTrips) {
  Schema schema = Parse(kV2Json).schema();
  auto again = ParseSchemaJson(WriteSchemaJson(schema));
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(*again, schema);
  EXPECT_EQ(KindOf(ParseSchemaJson("{").status()), ErrorKind::kCorrupt);
  EXPECT_EQ(KindOf(ParseSchemaJson("[]").status()), ErrorKind::kCorrupt);
}

TEST(PartitionFieldsJson, IsTheArrayOnly) {
  EXPECT_EQ(WritePartitionFieldsJson(MetadataWithSnapshots(0).spec()),
            R"([{"name":"ts_day","transform":"day","source-id":1,"field-id":1000}])");
  EXPECT_EQ(WritePartitionFieldsJson(PartitionSpec{}), "[]");
}

}  // namespace
}  // namespace calve::iceberg
