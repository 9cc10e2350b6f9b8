#include "calve/iceberg/table_update_json.h"

#include "calve/iceberg/metadata_json.h"

namespace calve::iceberg {
namespace {

class RequirementWriter {
 public:
  explicit RequirementWriter(JsonWriter& writer) : writer_(writer) {}

  void operator()(const AssertCreate&) const { writer_.Field("type", "assert-create"); }
  void operator()(const AssertTableUuid& requirement) const {
    writer_.Field("type", "assert-table-uuid");
    writer_.Field("uuid", std::string_view(requirement.uuid));
  }
  void operator()(const AssertRefSnapshotId& requirement) const {
    writer_.Field("type", "assert-ref-snapshot-id");
    writer_.Field("ref", std::string_view(requirement.ref));
    writer_.Key("snapshot-id");
    if (requirement.snapshot_id) {
      writer_.Int(*requirement.snapshot_id);
    } else {
      writer_.Null();  // it must be there: left out, some servers check nothing
    }
  }
  void operator()(const AssertLastAssignedFieldId& requirement) const {
    Write("assert-last-assigned-field-id", "last-assigned-field-id", requirement.id);
  }
  void operator()(const AssertCurrentSchemaId& requirement) const {
    Write("assert-current-schema-id", "current-schema-id", requirement.id);
  }
  void operator()(const AssertLastAssignedPartitionId& requirement) const {
    Write("assert-last-assigned-partition-id", "last-assigned-partition-id", requirement.id);
  }
  void operator()(const AssertDefaultSpecId& requirement) const {
    Write("assert-default-spec-id", "default-spec-id", requirement.id);
  }
  void operator()(const AssertDefaultSortOrderId& requirement) const {
    Write("assert-default-sort-order-id", "default-sort-order-id", requirement.id);
  }

 private:
  void Write(const char* type, const char* key, int id) const {
    writer_.Field("type", type);
    writer_.Field(key, id);
  }

  JsonWriter& writer_;
};

class UpdateWriter {
 public:
  explicit UpdateWriter(JsonWriter& writer) : writer_(writer) {}

  void operator()(const UpgradeFormatVersion& update) const {
    Write("upgrade-format-version", "format-version", update.version);
  }
  void operator()(const AddSchema& update) const {
    Action("add-schema", "schema");
    WriteSchema(update.schema, writer_);
    // Deprecated, and asked for by servers from before it was.
    writer_.Field("last-column-id", update.schema.HighestFieldId());
  }
  void operator()(const SetCurrentSchema& update) const { Write("set-current-schema", "schema-id", update.schema_id); }
  void operator()(const AddPartitionSpec& update) const {
    Action("add-spec", "spec");
    WritePartitionSpec(update.spec, writer_);
  }
  void operator()(const SetDefaultSpec& update) const { Write("set-default-spec", "spec-id", update.spec_id); }
  void operator()(const AddSortOrder& update) const {
    Action("add-sort-order", "sort-order");
    WriteSortOrder(update.order, writer_);
  }
  void operator()(const SetDefaultSortOrder& update) const {
    Write("set-default-sort-order", "sort-order-id", update.order_id);
  }
  void operator()(const AddSnapshot& update) const {
    Action("add-snapshot", "snapshot");
    WriteSnapshot(update.snapshot, writer_);
  }
  void operator()(const SetSnapshotRef& update) const {
    writer_.Field("action", "set-snapshot-ref");
    writer_.Field("ref-name", std::string_view(update.name));
    WriteSnapshotRefMembers(update.ref, writer_);
  }
  void operator()(const RemoveSnapshotRef& update) const {
    writer_.Field("action", "remove-snapshot-ref");
    writer_.Field("ref-name", std::string_view(update.name));
  }
  void operator()(const RemoveSnapshots& update) const {
    Action("remove-snapshots", "snapshot-ids");
    writer_.BeginArray();
    for (int64_t id : update.snapshot_ids) writer_.Int(id);
    writer_.EndArray();
  }
  void operator()(const SetStatistics& update) const {
    Action("set-statistics", "snapshot-id");
    writer_.Int(update.snapshot_id);  // of servers of older Iceberg versions, which look for it here
    writer_.Key("statistics");
    writer_.BeginObject();
    writer_.Members(update.entry);
    writer_.EndObject();
  }
  void operator()(const SetLocation& update) const {
    writer_.Field("action", "set-location");
    writer_.Field("location", std::string_view(update.location));
  }
  void operator()(const SetProperties& update) const {
    writer_.Field("action", "set-properties");
    writer_.Field("updates", update.values);
  }
  void operator()(const RemoveProperties& update) const {
    Action("remove-properties", "removals");
    writer_.BeginArray();
    for (const std::string& key : update.keys) writer_.String(key);
    writer_.EndArray();
  }

 private:
  void Action(const char* action, const char* key) const {
    writer_.Field("action", action);
    writer_.Key(key);
  }
  void Write(const char* action, const char* key, int value) const {
    writer_.Field("action", action);
    writer_.Field(key, value);
  }

  JsonWriter& writer_;
};

}  // namespace

void WriteTableRequirement(const TableRequirement& requirement, JsonWriter& writer) {
  writer.BeginObject();
  std::visit(RequirementWriter(writer), requirement);
  writer.EndObject();
}

void WriteTableUpdate(const TableUpdate& update, JsonWriter& writer) {
  writer.BeginObject();
  std::visit(UpdateWriter(writer), update);
  writer.EndObject();
}

}  // namespace calve::iceberg
