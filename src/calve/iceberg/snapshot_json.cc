// Spec: appendix C, "Table Metadata and Snapshots"; "Snapshots"; "Snapshot References".
#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "calve/iceberg/metadata_json.h"

namespace calve::iceberg {
namespace {

const std::vector<std::string_view> kSnapshotMembers = {"manifest-list", "manifests",       "parent-snapshot-id",
                                                        "schema-id",     "sequence-number", "snapshot-id",
                                                        "summary",       "timestamp-ms"};

}  // namespace

Result<std::map<std::string, std::string>> ReadStringMap(const JsonNode& node) {
  ARROW_RETURN_NOT_OK(node.ExpectObject());
  std::map<std::string, std::string> values;
  for (const auto& [key, value] : node.value().items()) {
    if (value.is_null()) continue;
    if (value.is_structured()) return node.Error(fmt::format("'{}' is not a string", key));
    values.emplace_hint(values.end(), key, value.is_string() ? value.get_ref<const std::string&>() : value.dump());
  }
  return values;
}

Result<Snapshot> ReadSnapshot(const JsonNode& node) {
  Snapshot snapshot;
  ARROW_ASSIGN_OR_RAISE(snapshot.snapshot_id, node.GetInt64("snapshot-id"));
  ARROW_ASSIGN_OR_RAISE(snapshot.parent_snapshot_id, node.FindInt64("parent-snapshot-id"));
  // Some writers leave -1 for "no parent".
  if (snapshot.parent_snapshot_id == -1) snapshot.parent_snapshot_id.reset();
  ARROW_ASSIGN_OR_RAISE(auto sequence_number, node.FindInt64("sequence-number"));
  snapshot.sequence_number = sequence_number.value_or(0);
  if (snapshot.sequence_number < 0) return node.Error("'sequence-number' is negative");
  ARROW_ASSIGN_OR_RAISE(snapshot.timestamp_ms, node.GetInt64("timestamp-ms"));
  ARROW_ASSIGN_OR_RAISE(snapshot.manifest_list, node.FindString("manifest-list", ""));
  ARROW_ASSIGN_OR_RAISE(snapshot.schema_id, node.FindInt("schema-id"));
  if (auto manifests = node.Find("manifests")) {
    ARROW_RETURN_NOT_OK(manifests->ForEach([&](const JsonNode& element) -> Status {
      ARROW_ASSIGN_OR_RAISE(std::string path, element.AsString());
      snapshot.v1_manifests.push_back(std::move(path));
      return Status::OK();
    }));
  } else if (snapshot.manifest_list.empty()) {
    return node.Error("'manifest-list' is missing");
  }
  if (auto summary = node.Find("summary")) {
    ARROW_ASSIGN_OR_RAISE(snapshot.summary, ReadStringMap(*summary));
  }
  snapshot.extra_json = node.Rest(kSnapshotMembers);
  return snapshot;
}

void WriteSnapshot(const Snapshot& snapshot, JsonWriter& writer) {
  writer.BeginObject();
  writer.Field("sequence-number", snapshot.sequence_number);
  writer.Field("snapshot-id", snapshot.snapshot_id);
  if (snapshot.parent_snapshot_id) writer.Field("parent-snapshot-id", *snapshot.parent_snapshot_id);
  writer.Field("timestamp-ms", snapshot.timestamp_ms);
  // A v1 snapshot may have none; then "operation" is not ours to invent.
  if (!snapshot.summary.empty()) writer.Field("summary", snapshot.summary);
  if (!snapshot.manifest_list.empty()) {
    writer.Field("manifest-list", snapshot.manifest_list);
  } else {
    writer.Key("manifests");
    writer.BeginArray();
    for (const std::string& path : snapshot.v1_manifests) writer.String(path);
    writer.EndArray();
  }
  if (snapshot.schema_id) writer.Field("schema-id", *snapshot.schema_id);
  writer.Members(snapshot.extra_json);
  writer.EndObject();
}

Result<SnapshotRef> ReadSnapshotRef(const JsonNode& node) {
  SnapshotRef ref;
  ARROW_ASSIGN_OR_RAISE(ref.snapshot_id, node.GetInt64("snapshot-id"));
  ARROW_ASSIGN_OR_RAISE(std::string type, node.GetString("type"));
  if (type != "branch" && type != "tag") return node.Error(fmt::format("type is branch or tag, not '{}'", type));
  ref.is_branch = type == "branch";
  ARROW_ASSIGN_OR_RAISE(ref.min_snapshots_to_keep, node.FindInt64("min-snapshots-to-keep"));
  ARROW_ASSIGN_OR_RAISE(ref.max_snapshot_age_ms, node.FindInt64("max-snapshot-age-ms"));
  ARROW_ASSIGN_OR_RAISE(ref.max_ref_age_ms, node.FindInt64("max-ref-age-ms"));
  return ref;
}

void WriteSnapshotRefMembers(const SnapshotRef& ref, JsonWriter& writer) {
  writer.Field("snapshot-id", ref.snapshot_id);
  writer.Field("type", ref.is_branch ? "branch" : "tag");
  if (ref.min_snapshots_to_keep) writer.Field("min-snapshots-to-keep", *ref.min_snapshots_to_keep);
  if (ref.max_snapshot_age_ms) writer.Field("max-snapshot-age-ms", *ref.max_snapshot_age_ms);
  if (ref.max_ref_age_ms) writer.Field("max-ref-age-ms", *ref.max_ref_age_ms);
}

void WriteSnapshotRef(const SnapshotRef& ref, JsonWriter& writer) {
  writer.BeginObject();
  WriteSnapshotRefMembers(ref, writer);
  writer.EndObject();
}

}  // namespace calve::iceberg
