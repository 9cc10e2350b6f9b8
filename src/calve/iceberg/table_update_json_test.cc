#include "calve/iceberg/table_update_json.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "calve/iceberg/testing_table_update_json.h"

namespace calve::iceberg {
namespace {

std::string Json(const TableRequirement& requirement) {
  JsonWriter writer;
  WriteTableRequirement(requirement, writer);
  return writer.text();
}

std::string Json(const TableUpdate& update) {
  JsonWriter writer;
  WriteTableUpdate(update, writer);
  return writer.text();
}

// As the OpenAPI document spells them; a server reads what was written as what it was.
void ExpectRequirement(const TableRequirement& requirement, const std::string& expected) {
  const std::string written = Json(requirement);
  EXPECT_EQ(nlohmann::json::parse(written), nlohmann::json::parse(expected)) << written;
  const nlohmann::json document = nlohmann::json::parse(written);
  auto read = ReadTableRequirement(JsonNode(document));
  ASSERT_TRUE(read.ok()) << read.status().ToString();
  EXPECT_EQ(read->index(), requirement.index());
  EXPECT_EQ(Json(*read), written);
}

void ExpectUpdate(const TableUpdate& update, const std::string& expected) {
  const std::string written = Json(update);
  EXPECT_EQ(nlohmann::json::parse(written), nlohmann::json::parse(expected)) << written;
  const nlohmann::json document = nlohmann::json::parse(written);
  auto read = ReadTableUpdate(JsonNode(document));
  ASSERT_TRUE(read.ok()) << read.status().ToString();
  EXPECT_EQ(read->index(), update.index());
  EXPECT_EQ(Json(*read), written);
}

TEST(TableRequirementJson, EachAsTheSpecHasIt) {
  ExpectRequirement(AssertCreate{}, R"({"type":"assert-create"})");
  ExpectRequirement(AssertTableUuid{"9c12d441-03fe-4693-9a96-a0705ddf69c1"},
                    R"({"type":"assert-table-uuid","uuid":"9c12d441-03fe-4693-9a96-a0705ddf69c1"})");
  ExpectRequirement(AssertRefSnapshotId{"main", 9'007'199'254'740'993},
                    R"({"type":"assert-ref-snapshot-id","ref":"main","snapshot-id":9007199254740993})");
  // The first commit asserts that the ref does not exist: null, not left out.
  ExpectRequirement(AssertRefSnapshotId{"main", std::nullopt},
                    R"({"type":"assert-ref-snapshot-id","ref":"main","snapshot-id":null})");
  ExpectRequirement(AssertLastAssignedFieldId{7},
                    R"({"type":"assert-last-assigned-field-id","last-assigned-field-id":7})");
  ExpectRequirement(AssertCurrentSchemaId{2}, R"({"type":"assert-current-schema-id","current-schema-id":2})");
  ExpectRequirement(AssertLastAssignedPartitionId{1001},
                    R"({"type":"assert-last-assigned-partition-id","last-assigned-partition-id":1001})");
  ExpectRequirement(AssertDefaultSpecId{1}, R"({"type":"assert-default-spec-id","default-spec-id":1})");
  ExpectRequirement(AssertDefaultSortOrderId{0},
                    R"({"type":"assert-default-sort-order-id","default-sort-order-id":0})");
}

TEST(TableUpdateJson, SchemaSpecAndOrder) {
  ExpectUpdate(UpgradeFormatVersion{2}, R"({"action":"upgrade-format-version","format-version":2})");
  Schema schema;
  schema.schema_id = 1;
  schema.fields = {{1, "id", true, Type::Of(TypeId::kLong), ""},
                   {2, "tags", false, Type::List(5, false, Type::Of(TypeId::kString)), "what\n\"they\" are"}};
  ExpectUpdate(AddSchema{schema}, R"({"action":"add-schema","last-column-id":5,"schema":{"type":"struct","schema-id":1,
      "fields":[{"id":1,"name":"id","required":true,"type":"long"},
                {"id":2,"name":"tags","required":false,"doc":"what\n\"they\" are",
                 "type":{"type":"list","element-id":5,"element":"string","element-required":false}}]}})");
  ExpectUpdate(SetCurrentSchema{-1}, R"({"action":"set-current-schema","schema-id":-1})");
  PartitionSpec spec{3, {{2, 1000, "ts_day", {TransformKind::kDay, 0, ""}}}};
  ExpectUpdate(AddPartitionSpec{spec}, R"({"action":"add-spec","spec":{"spec-id":3,
      "fields":[{"name":"ts_day","transform":"day","source-id":2,"field-id":1000}]}})");
  ExpectUpdate(SetDefaultSpec{-1}, R"({"action":"set-default-spec","spec-id":-1})");
  SortOrder order{1, {{2, Transform{}, false, false}}};
  ExpectUpdate(AddSortOrder{order}, R"({"action":"add-sort-order","sort-order":{"order-id":1,
      "fields":[{"transform":"identity","source-id":2,"direction":"desc","null-order":"nulls-last"}]}})");
  ExpectUpdate(SetDefaultSortOrder{-1}, R"({"action":"set-default-sort-order","sort-order-id":-1})");
}

TEST(TableUpdateJson, SnapshotsAndRefs) {
  Snapshot snapshot;
  snapshot.snapshot_id = 9'007'199'254'740'993;  // not to be had as a double
  snapshot.parent_snapshot_id = 41;
  snapshot.sequence_number = 3;
  snapshot.timestamp_ms = 1'723'161'658'342;
  snapshot.manifest_list = "s3://cold/trades/metadata/snap-42.avro";
  snapshot.summary = {{"operation", "append"}, {"calve.commit-id", "b"}};
  snapshot.schema_id = 0;
  ExpectUpdate(AddSnapshot{snapshot}, R"({"action":"add-snapshot","snapshot":{"snapshot-id":9007199254740993,
      "parent-snapshot-id":41,"sequence-number":3,"timestamp-ms":1723161658342,"schema-id":0,
      "manifest-list":"s3://cold/trades/metadata/snap-42.avro",
      "summary":{"operation":"append","calve.commit-id":"b"}}})");
  ExpectUpdate(SetSnapshotRef{"main", SnapshotRef{.snapshot_id = 42}},
               R"({"action":"set-snapshot-ref","ref-name":"main","type":"branch","snapshot-id":42})");
  ExpectUpdate(SetSnapshotRef{"calve", SnapshotRef{42, false, std::nullopt, std::nullopt, 86'400'000}},
               R"({"action":"set-snapshot-ref","ref-name":"calve","type":"tag","snapshot-id":42,
                   "max-ref-age-ms":86400000})");
  ExpectUpdate(SetSnapshotRef{"audit", SnapshotRef{42, true, 3, 1000, std::nullopt}},
               R"({"action":"set-snapshot-ref","ref-name":"audit","type":"branch","snapshot-id":42,
                   "min-snapshots-to-keep":3,"max-snapshot-age-ms":1000})");
  ExpectUpdate(RemoveSnapshotRef{"audit"}, R"({"action":"remove-snapshot-ref","ref-name":"audit"})");
  ExpectUpdate(RemoveSnapshots{{1, 2}}, R"({"action":"remove-snapshots","snapshot-ids":[1,2]})");
  ExpectUpdate(SetStatistics{7, R"({"snapshot-id":7,"statistics-path":"s"})"},
               R"({"action":"set-statistics","snapshot-id":7,"statistics":{"snapshot-id":7,"statistics-path":"s"}})");
}

TEST(TableUpdateJson, LocationAndProperties) {
  ExpectUpdate(SetLocation{"s3://cold/t"}, R"({"action":"set-location","location":"s3://cold/t"})");
  ExpectUpdate(SetProperties{{{"a", "1"}, {"calve.watermark", R"({"x":"y"})"}}},
               R"({"action":"set-properties","updates":{"a":"1","calve.watermark":"{\"x\":\"y\"}"}})");
  ExpectUpdate(RemoveProperties{{"a", "b"}}, R"({"action":"remove-properties","removals":["a","b"]})");
}

TEST(TableUpdateJson, AServerRefusesWhatItDoesNotKnow) {
  for (const char* text : {R"({"action":"forget-everything"})", R"({"type":"assert-luck"})"}) {
    const nlohmann::json document = nlohmann::json::parse(text);
    const Status status = document.contains("action") ? ReadTableUpdate(JsonNode(document)).status()
                                                      : ReadTableRequirement(JsonNode(document)).status();
    EXPECT_EQ(KindOf(status), ErrorKind::kUnsupported) << status.ToString();
  }
}

}  // namespace
}  // namespace calve::iceberg
