#include "calve/iceberg/testing_metadata.h"

#include <fmt/format.h>

namespace calve::iceberg {

const std::string_view kV1OldestJson = R"json({
  "format-version": 1,
  "location": "s3://bucket/test/location/",
  "last-updated-ms": 1602638573874,
  "last-column-id": 3,
  "schema": {"type": "struct", "fields": [
    {"id": 1, "name": "x", "required": true, "type": "long"},
    {"id": 2, "name": "y", "required": true, "type": "long", "doc": "comment"},
    {"id": 3, "name": "z", "required": true, "type": "long"}]},
  "partition-spec": [{"name": "x", "transform": "identity", "source-id": 1},
                     {"name": "y_bucket", "transform": "bucket[4]", "source-id": 2}],
  "properties": {},
  "current-snapshot-id": 1,
  "snapshots": [{"snapshot-id": 1, "timestamp-ms": 1602638573822, "manifests": ["s3://a/m1.avro", "s3://a/m2.avro"]}]
})json";

const std::string_view kV1Json = R"json({
  "format-version": 1,
  "table-uuid": "d20125c8-7284-442c-9aea-15fee620737c",
  "location": "s3://bucket/test/location",
  "last-updated-ms": 1602638573874,
  "last-column-id": 3,
  "schema": {"type": "struct", "schema-id": 0, "fields": [{"id": 1, "name": "x", "required": true, "type": "long"}]},
  "schemas": [{"type": "struct", "schema-id": 0, "fields": [{"id": 1, "name": "x", "required": true, "type": "long"}]}],
  "current-schema-id": 0,
  "partition-spec": [{"name": "x", "transform": "identity", "source-id": 1, "field-id": 1000}],
  "partition-specs": [{"spec-id": 0, "fields": [{"name": "x", "transform": "identity", "source-id": 1, "field-id": 1000}]}],
  "default-spec-id": 0,
  "last-partition-id": 1000,
  "sort-orders": [{"order-id": 0, "fields": []}],
  "default-sort-order-id": 0,
  "properties": {"owner": "root"},
  "current-snapshot-id": -1,
  "snapshots": [], "snapshot-log": [], "metadata-log": []
})json";

const std::string_view kV2Json = R"json({
  "format-version": 2,
  "table-uuid": "9c12d441-03fe-4693-9a96-a0705ddf69c1",
  "location": "s3://bucket/test/location",
  "last-sequence-number": 34,
  "last-updated-ms": 1602638573590,
  "last-column-id": 9,
  "current-schema-id": 1,
  "schemas": [
    {"type": "struct", "schema-id": 0, "fields": [{"id": 1, "name": "x", "required": true, "type": "long"}]},
    {"type": "struct", "schema-id": 1, "identifier-field-ids": [1, 2], "fields": [
      {"id": 1, "name": "x", "required": true, "type": "long"},
      {"id": 2, "name": "y", "required": true, "type": "long", "doc": "comment"},
      {"id": 3, "name": "price", "required": false, "type": "decimal(38, 8)"
},
      {"id": 4, "name": "tags", "required": false,
       "type": {"type": "list", "element-id": 5, "element": "string", "element-required": true}},
      {"id": 6, "name": "props", "required": false, "type": {"type": "map", "key-id": 7, "key": "string",
       "value-id": 8, "value": {"type": "struct", "fields": [
         {"id": 9, "name": "n", "required": false, "type": "fixed[16]"}]}, "value-required": false}}]
}],
  "default-spec-id": 0,
  "partition-specs": [{"spec-id": 0, "fields": [
    {"name": "x", "transform": "identity", "source-id": 1, "field-id": 1000},
    {"name": "y_z", "transform": "zorder", "source-ids": [2, 1], "field-id": 1001}]}],
  "last-partition-id": 1001,
  "default-sort-order-id": 3,
  "sort-orders": [{"order-id": 3, "fields": [
    {"transform": "identity", "source-id": 2, "direction": "asc", "null-order": "nulls-first"},
    {"transform": "bucket[4]", "source-id": 3, "direction": "desc", "null-order": "nulls-last"}]}],
  "properties": {"read.split.target.size": "134217728", "commit.retry.num-retries": 4, "écrit": "ü \"quoted\"\n"},
  "current-snapshot-id": 3055729675574597004,
  "snapshots": [
    {"snapshot-id": 3051729675574597004, "timestamp-ms": 1515100955770, "sequence-number": 0,
     "summary": {"operation": "append"}, "manifest-list": "s3://a/b/1.avro"},
    {"snapshot-id": 3055729675574597004, "parent-snapshot-id": 3051729675574597004, "timestamp-ms": 1555100955770,
     "sequence-number": 1, "summary": {"operation": "append", "added-records": "5"}, "manifest-list": "s3://a/b/2.avro",
     "schema-id": 1, "first-row-id": 12, "later": {"a": [1, 2.5, null]}}],
  "snapshot-log": [{"snapshot-id": 3051729675574597004, "timestamp-ms": 1515100955770},
                   {"snapshot-id": 3055729675574597004, "timestamp-ms": 1555100955770}],
  "metadata-log": [{"metadata-file": "s3://bucket/.../v1.json", "timestamp-ms": 1515100}],
  "refs": {"main": {"snapshot-id": 3055729675574597004, "type": "branch", "min-snapshots-to-keep": 5,
                    "max-snapshot-age-ms": 86400000},
           "test": {"snapshot-id": 3051729675574597004, "type": "tag", "max-ref-age-ms": 10000000}},
  "statistics": [{"snapshot-id": 3051729675574597004, "statistics-path": "s3://a/b/stats.puffin"},
                 {"snapshot-id": 3055729675574597004, "statistics-path": "s3://a/b/stats2.puffin"}],
  "x-unknown": {
  "deep" : [ "kept", 18446744073709551615 ]
}
})json";

const std::string_view kClickHouseNewJson = R"json({
  "format-version": 2, "table-uuid": "2f0dcc66-6d5b-4e0c-9a3f-3f2f5d4a1111", "location": "/srv/cold/t/",
  "last-sequence-number": 0, "last-updated-ms": 1755000000000, "last-column-id": 1,
  "schemas": [{"type": "struct", "schema-id": 0, "fields": [{"id": 1, "name": "x", "required": false, "type": "int"}]}],
  "current-schema-id": 0,
  "partition-specs": [{"spec-id": 0, "fields": []}], "default-spec-id": 0, "last-partition-id": 0,
  "current-snapshot-id": -1, "refs": {"main": {"snapshot-id": -1, "type": "branch"}},
  "snapshots": [], "sort-orders": [{"order-id": 0, "fields": []}], "default-sort-order-id": 0,
  "snapshot-log": null, "metadata-log": []
})json";

TableMetadata MetadataWithSnapshots(int count) {
  Schema schema;
  schema.fields = {{1, "ts", true, Type::Of(TypeId::kTimestampTz), ""},
                   {2, "exchange", true, Type::Of(TypeId::kString), ""},
                   {3, "id", true, Type::Of(TypeId::kLong), ""}};
  PartitionSpec spec;
  spec.fields = {{1, 0, "ts_day", {TransformKind::kDay, 0, ""}}};
  TableMetadata metadata = *NewTableMetadata(schema, spec, {}, "file:///srv/cold/trades", {{"owner", "root"}},
                                             "9c12d441-03fe-4693-9a96-a0705ddf69c1", 1'700'000'000'000);
  for (int i = 1; i <= count; ++i) {
    Snapshot snapshot;
    snapshot.snapshot_id = i;
    if (i > 1) snapshot.parent_snapshot_id = i - 1;
    snapshot.sequence_number = i;
    snapshot.timestamp_ms = 1'700'000'000'000 + i;
    snapshot.manifest_list = fmt::format("file:///srv/cold/trades/metadata/snap-{}-1-d20125c8-7284-442c.avro", i);
    snapshot.summary = {{"operation", "append"}, {"calve.window-to", "2024-08-09T00:15:00.000000Z"}};
    for (int k = 0; k < 18; ++k)
      snapshot.summary.Set(fmt::format("total-something-or-other-{}", k), fmt::format("{}", i * k));
    snapshot.schema_id = 0;
    metadata.snapshot_log.push_back({snapshot.timestamp_ms, i});
    metadata.metadata_log.push_back(
        {snapshot.timestamp_ms, fmt::format("file:///srv/cold/trades/metadata/v{}.json", i)});
    metadata.snapshots.push_back(std::move(snapshot));
    metadata.last_sequence_number = i;
    metadata.last_updated_ms = 1'700'000'000'000 + i;
    metadata.current_snapshot_id = i;
    metadata.refs["main"].snapshot_id = i;
  }
  return metadata;
}

}  // namespace calve::iceberg
