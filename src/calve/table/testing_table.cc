#include "calve/table/testing_table.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <utility>

#include "calve/iceberg/avro_file.h"
#include "calve/iceberg/manifest.h"
#include "calve/iceberg/manifest_partition.h"
#include "calve/iceberg/manifest_schema.h"
#include "calve/table/snapshot_manifests.h"

namespace calve::table {

using iceberg::Type;
using iceberg::TypeId;

iceberg::TableMetadata EmptyTable(const std::map<std::string, std::string>& properties) {
  const iceberg::Schema schema{
      0,
      {{1, "ts", false, Type::Of(TypeId::kTimestampTz), ""}, {2, "exchange", false, Type::Of(TypeId::kString), ""}},
      {}};
  const iceberg::PartitionSpec spec{0, {{1, 1000, "ts_day", iceberg::ParseTransform("day")}}};
  return NewTableMetadata(schema, spec, {}, "mem://t", properties, "6f1b0f3e-3d0a-4d53-9d5c-0a5f1c2b3a4d", 1'000)
      .ValueOrDie();
}

iceberg::DataFile FileOfDay(const std::string& name, int day, int64_t records, int64_t bytes) {
  iceberg::DataFile file;
  file.file_path = "mem://t/data/" + name;
  file.partition = {int32_t{day}};
  file.record_count = records;
  file.file_size_in_bytes = bytes;
  file.value_counts = {{1, records}, {2, records}};
  file.null_value_counts = {{1, 0}, {2, 0}};
  file.lower_bounds = {{2, "binance"}};
  file.upper_bounds = {{2, "kraken"}};
  return file;
}

SnapshotRequest RequestOf(std::vector<iceberg::DataFile> files, const std::string& commit_id) {
  return {std::move(files), {}, {{"calve.commit-id", commit_id}}, commit_id, {}};
}

SnapshotRequest Replacing(const iceberg::TableMetadata& planned, std::vector<iceberg::DataFile> removed,
                          std::vector<iceberg::DataFile> added, const std::string& commit_id) {
  SnapshotRequest request = RequestOf(std::move(added), commit_id);
  request.removed = std::move(removed);
  request.planned_snapshot_id = planned.current_snapshot_id;
  return request;
}

Result<iceberg::TableMetadata> Apply(const iceberg::TableMetadata& base, const PreparedSnapshot& prepared) {
  ARROW_RETURN_NOT_OK(CheckRequirements(&base, prepared.requirements));
  return ApplyUpdates(base, prepared.updates, prepared.snapshot.timestamp_ms);
}

Result<iceberg::TableMetadata> AppendTo(storage::FileIO& file_io, const iceberg::TableMetadata& base,
                                        std::vector<iceberg::DataFile> files, const std::string& commit_id) {
  return Commit(file_io, base, RequestOf(std::move(files), commit_id));
}

Result<iceberg::TableMetadata> Commit(storage::FileIO& file_io, const iceberg::TableMetadata& base,
                                      SnapshotRequest request) {
  SnapshotProducer producer(file_io, std::move(request));
  ARROW_ASSIGN_OR_RAISE(const PreparedSnapshot prepared, producer.Prepare(base, base.last_updated_ms + 1));
  return Apply(base, prepared);
}

namespace {

// As EntrySchemaJson's, with what delete files need and without metrics.
std::string DeleteEntrySchemaJson(const Type& partition) {
  std::string fields;
  for (const iceberg::NestedField& field : partition.fields) {
    fields += fmt::format(R"({}{{"name": "{}", "field-id": {}, "type": ["null", {}]}})", fields.empty() ? "" : ", ",
                          field.name, field.id, field.type.id == TypeId::kString ? R"("string")" : R"("int")");
  }
  return fmt::format(
      R"({{"type": "record", "name": "manifest_entry", "fields": [
           {{"name": "status", "type": "int"}}, {{"name": "snapshot_id", "type": ["null", "long"]}},
           {{"name": "sequence_number", "type": ["null", "long"]}},
           {{"name": "file_sequence_number", "type": ["null", "long"]}},
           {{"name": "data_file", "type": {{"type": "record", "name": "r2", "fields": [
             {{"name": "content", "type": "int"}}, {{"name": "file_path", "type": "string"}},
             {{"name": "file_format", "type": "string"}},
             {{"name": "partition", "type": {{"type": "record", "name": "r102", "fields": [{}]}}}},
             {{"name": "record_count", "type": "long"}}, {{"name": "file_size_in_bytes", "type": "long"}},
             {{"name": "referenced_data_file", "field-id": 143, "type": ["null", "string"]}}]}}}}]}})",
      fields);
}

void PutMaybe(std::string& out, const std::optional<int64_t>& value) {
  iceberg::PutAvroLong(out, value ? 1 : 0);
  if (value) iceberg::PutAvroLong(out, *value);
}

}  // namespace

iceberg::ManifestFile WriteDeleteManifest(storage::FileIO& file_io, const iceberg::TableMetadata& table,
                                          const std::string& name, const std::vector<iceberg::ManifestEntry>& entries,
                                          int spec_id) {
  const iceberg::PartitionSpec& spec = *table.FindSpec(spec_id);
  const Type partition = PartitionType(spec, table.schema()).ValueOrDie();
  iceberg::AvroFileWriter writer(DeleteEntrySchemaJson(partition),
                                 {{"content", "deletes"}, {"partition-spec-id", std::to_string(spec_id)}});
  iceberg::ManifestFile manifest;
  manifest.manifest_path = "mem://t/metadata/" + name;
  manifest.content = iceberg::ManifestContent::kDeletes;
  manifest.partition_spec_id = spec_id;
  int64_t counts[3] = {0, 0, 0};
  for (const iceberg::ManifestEntry& entry : entries) {
    std::string& out = writer.buffer();
    const iceberg::DataFile& file = entry.data_file;
    iceberg::PutAvroLong(out, static_cast<int>(entry.status));
    PutMaybe(out, entry.snapshot_id);
    PutMaybe(out, entry.sequence_number);
    PutMaybe(out, entry.file_sequence_number);
    iceberg::PutAvroLong(out, static_cast<int>(file.content));
    iceberg::PutAvroBytes(out, file.file_path);
    iceberg::PutAvroBytes(out, file.file_format);
    EXPECT_TRUE(iceberg::manifest::PutPartition(out, partition, file.partition).ok());
    iceberg::PutAvroLong(out, file.record_count);
    iceberg::PutAvroLong(out, file.file_size_in_bytes);
    iceberg::PutAvroLong(out, file.referenced_data_file ? 1 : 0);
    if (file.referenced_data_file) iceberg::PutAvroBytes(out, *file.referenced_data_file);
    EXPECT_TRUE(writer.EndObject().ok());
    ++counts[static_cast<int>(entry.status)];
  }
  const std::string bytes = writer.Finish().ValueOrDie();
  EXPECT_TRUE(file_io.WriteNew(manifest.manifest_path, bytes).ok());
  manifest.manifest_length = static_cast<int64_t>(bytes.size());
  manifest.existing_files_count = counts[0];
  manifest.added_files_count = counts[1];
  manifest.deleted_files_count = counts[2];
  manifest.existing_rows_count = manifest.added_rows_count = manifest.deleted_rows_count = 0;
  return manifest;
}

Result<iceberg::TableMetadata> CommitManifests(storage::FileIO& file_io, const iceberg::TableMetadata& base,
                                               std::vector<iceberg::ManifestFile> manifests) {
  iceberg::Snapshot snapshot;
  snapshot.sequence_number = base.last_sequence_number + 1;
  snapshot.snapshot_id = 1'000 + snapshot.sequence_number;
  snapshot.parent_snapshot_id = base.current_snapshot_id;
  snapshot.timestamp_ms = base.last_updated_ms + 1;
  snapshot.schema_id = base.current_schema_id;
  snapshot.summary = {{"operation", "overwrite"}};
  snapshot.manifest_list = fmt::format("mem://t/metadata/snap-{}.avro", snapshot.snapshot_id);
  for (iceberg::ManifestFile& manifest : manifests) {
    if (manifest.sequence_number != 0) continue;
    manifest.sequence_number = manifest.min_sequence_number = snapshot.sequence_number;
    manifest.added_snapshot_id = snapshot.snapshot_id;
  }
  if (base.CurrentSnapshot() != nullptr) {
    ARROW_ASSIGN_OR_RAISE(const auto parents, ReadManifests(file_io, base, *base.CurrentSnapshot()));
    manifests.insert(manifests.end(), parents.begin(), parents.end());
  }
  ARROW_ASSIGN_OR_RAISE(const std::string list, EncodeManifestList(snapshot.snapshot_id, snapshot.parent_snapshot_id,
                                                                   snapshot.sequence_number, manifests));
  ARROW_RETURN_NOT_OK(file_io.Replace(snapshot.manifest_list, list));
  return ApplyUpdates(base, {{iceberg::AddSnapshot{snapshot}, iceberg::SetSnapshotRef{"main", {snapshot.snapshot_id}}}},
                      snapshot.timestamp_ms);
}

}  // namespace calve::table
