// Spec: "Table Metadata Fields", appendix C, and appendix E for what v1 leaves out.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "calve/iceberg/long_lists.h"
#include "calve/iceberg/metadata_json.h"

namespace calve::iceberg {
namespace {

// Sorted. "schema" and "partition-spec" are v1's and are made anew from the lists.
const std::vector<std::string_view> kMembers = {"current-schema-id",
                                                "current-snapshot-id",
                                                "default-sort-order-id",
                                                "default-spec-id",
                                                "format-version",
                                                "last-column-id",
                                                "last-partition-id",
                                                "last-sequence-number",
                                                "last-updated-ms",
                                                "location",
                                                "metadata-log",
                                                "partition-spec",
                                                "partition-specs",
                                                "properties",
                                                "refs",
                                                "schema",
                                                "schemas",
                                                "snapshot-log",
                                                "snapshots",
                                                "sort-orders",
                                                "table-uuid"};

// Reads an array of objects with `read` into `out`.
template <typename List, typename Read>
Status ReadList(const JsonNode& array, List& out, Read read) {
  ARROW_RETURN_NOT_OK(array.ExpectArray());
  out.reserve(array.size());
  return array.ForEach([&](const JsonNode& element) -> Status {
    ARROW_RETURN_NOT_OK(element.ExpectObject());
    ARROW_ASSIGN_OR_RAISE(typename List::value_type value, read(element));
    out.push_back(std::move(value));
    return Status::OK();
  });
}

Status ReadSchemas(const JsonNode& root, TableMetadata& metadata) {
  if (auto schemas = root.Find("schemas")) {
    ARROW_RETURN_NOT_OK(ReadList(*schemas, metadata.schemas, ReadSchema));
    ARROW_ASSIGN_OR_RAISE(metadata.current_schema_id, root.GetInt("current-schema-id"));
  } else if (metadata.format_version > 1) {
    return root.Error("'schemas' is missing");
  } else {
    ARROW_ASSIGN_OR_RAISE(JsonNode node, root.Get("schema"));
    ARROW_ASSIGN_OR_RAISE(Schema schema, ReadSchema(node));
    metadata.current_schema_id = schema.schema_id;
    metadata.schemas.push_back(std::move(schema));
  }
  if (!metadata.FindSchema(metadata.current_schema_id)) {
    return root.Error(fmt::format("current-schema-id is {}, which no schema has", metadata.current_schema_id));
  }
  // A last id below one in use would make the next column collide.
  for (const Schema& schema : metadata.schemas) {
    metadata.last_column_id = std::max(metadata.last_column_id, schema.HighestFieldId());
  }
  return Status::OK();
}

Status ReadSpecs(const JsonNode& root, TableMetadata& metadata) {
  if (auto specs = root.Find("partition-specs")) {
    ARROW_RETURN_NOT_OK(ReadList(*specs, metadata.partition_specs, ReadPartitionSpec));
    ARROW_ASSIGN_OR_RAISE(metadata.default_spec_id, root.GetInt("default-spec-id"));
  } else if (metadata.format_version > 1) {
    return root.Error("'partition-specs' is missing");
  } else {
    ARROW_ASSIGN_OR_RAISE(JsonNode fields, root.Get("partition-spec"));
    ARROW_ASSIGN_OR_RAISE(PartitionSpec spec, ReadPartitionFields(0, fields));
    metadata.default_spec_id = 0;
    metadata.partition_specs.push_back(std::move(spec));
  }
  if (!metadata.FindSpec(metadata.default_spec_id)) {
    return root.Error(fmt::format("default-spec-id is {}, which no partition spec has", metadata.default_spec_id));
  }
  ARROW_ASSIGN_OR_RAISE(auto last, root.FindInt("last-partition-id"));
  metadata.last_partition_id = last.value_or(kFirstPartitionFieldId - 1);
  for (const PartitionSpec& spec : metadata.partition_specs) {
    for (const PartitionField& field : spec.fields) {
      metadata.last_partition_id = std::max(metadata.last_partition_id, field.field_id);
    }
  }
  return Status::OK();
}

Status ReadSortOrders(const JsonNode& root, TableMetadata& metadata) {
  if (auto orders = root.Find("sort-orders")) {
    ARROW_RETURN_NOT_OK(ReadList(*orders, metadata.sort_orders, ReadSortOrder));
    ARROW_ASSIGN_OR_RAISE(auto id, root.FindInt("default-sort-order-id"));
    metadata.default_sort_order_id = id.value_or(0);
  }
  auto has_default = [&](const SortOrder& order) { return order.order_id == metadata.default_sort_order_id; };
  if (std::none_of(metadata.sort_orders.begin(), metadata.sort_orders.end(), has_default)) {
    // Order 0, unsorted, is reserved and need not be listed.
    if (metadata.default_sort_order_id != 0) {
      return root.Error(
          fmt::format("default-sort-order-id is {}, which no sort order has", metadata.default_sort_order_id));
    }
    metadata.sort_orders.insert(metadata.sort_orders.begin(), SortOrder{});
  }
  return Status::OK();
}

// Negative ids (Java: -1; ClickHouse: a ref "main" to -1) mean that there is no snapshot.
Status ReadRefs(const JsonNode& root, TableMetadata& metadata) {
  ARROW_ASSIGN_OR_RAISE(metadata.current_snapshot_id, root.FindInt64("current-snapshot-id"));
  if (metadata.current_snapshot_id < 0) metadata.current_snapshot_id.reset();
  const std::string main(kMainBranch);
  if (auto refs = root.Find("refs")) {
    ARROW_RETURN_NOT_OK(refs->ExpectObject());
    for (const auto& [name, unused] : refs->value().items()) {
      ARROW_ASSIGN_OR_RAISE(JsonNode node, refs->Get(name));
      ARROW_ASSIGN_OR_RAISE(SnapshotRef ref, ReadSnapshotRef(node));
      if (ref.snapshot_id >= 0) metadata.refs.emplace(name, ref);
    }
  }
  auto tip = metadata.refs.find(main);
  if (tip == metadata.refs.end()) {
    if (metadata.current_snapshot_id) metadata.refs[main].snapshot_id = *metadata.current_snapshot_id;
  } else if (!metadata.current_snapshot_id) {
    metadata.current_snapshot_id = tip->second.snapshot_id;
  } else if (*metadata.current_snapshot_id != tip->second.snapshot_id) {
    return root.Error(fmt::format("current-snapshot-id is {}, but branch main is at {}", *metadata.current_snapshot_id,
                                  tip->second.snapshot_id));
  }
  if (metadata.current_snapshot_id && !metadata.CurrentSnapshot()) {
    return root.Error(fmt::format("current-snapshot-id is {}, which no snapshot has", *metadata.current_snapshot_id));
  }
  return Status::OK();
}

Status ReadSnapshots(const JsonNode& root, TableMetadata& metadata, LongLists& lists) {
  if (lists.snapshots) {
    metadata.snapshots = std::move(*lists.snapshots);
  } else if (auto snapshots = root.Find("snapshots")) {
    ARROW_RETURN_NOT_OK(ReadList(*snapshots, metadata.snapshots, ReadSnapshot));
  }
  std::vector<int64_t> ids;
  ids.reserve(metadata.snapshots.size());
  for (const Snapshot& snapshot : metadata.snapshots) {
    ids.push_back(snapshot.snapshot_id);
    // The next commit must be above every snapshot, whatever the writer noted.
    metadata.last_sequence_number = std::max(metadata.last_sequence_number, snapshot.sequence_number);
  }
  std::sort(ids.begin(), ids.end());
  auto twin = std::adjacent_find(ids.begin(), ids.end());
  if (twin != ids.end()) return root.Error(fmt::format("two snapshots have id {}", *twin));
  return ReadRefs(root, metadata);
}

Status ReadLogs(const JsonNode& root, TableMetadata& metadata, LongLists& lists) {
  if (lists.snapshot_log) {
    metadata.snapshot_log = std::move(*lists.snapshot_log);
  } else if (auto log = root.Find("snapshot-log")) {
    ARROW_RETURN_NOT_OK(ReadList(*log, metadata.snapshot_log, [](const JsonNode& node) -> Result<SnapshotLogEntry> {
      SnapshotLogEntry entry;
      ARROW_ASSIGN_OR_RAISE(entry.timestamp_ms, node.GetInt64("timestamp-ms"));
      ARROW_ASSIGN_OR_RAISE(entry.snapshot_id, node.GetInt64("snapshot-id"));
      return entry;
    }));
  }
  if (auto log = root.Find("metadata-log")) {
    ARROW_RETURN_NOT_OK(ReadList(*log, metadata.metadata_log, [](const JsonNode& node) -> Result<MetadataLogEntry> {
      MetadataLogEntry entry;
      ARROW_ASSIGN_OR_RAISE(entry.timestamp_ms, node.GetInt64("timestamp-ms"));
      ARROW_ASSIGN_OR_RAISE(entry.metadata_file, node.GetString("metadata-file"));
      return entry;
    }));
  }
  return Status::OK();
}

Status ReadScalars(const JsonNode& root, TableMetadata& metadata) {
  ARROW_ASSIGN_OR_RAISE(metadata.format_version, root.GetInt("format-version"));
  if (metadata.format_version < 1 || metadata.format_version > 3) {
    return MakeError(ErrorKind::kUnsupported,
                     fmt::format("table format version {} is not supported", metadata.format_version),
                     "calve reads versions 1 to 3.");
  }
  bool v1 = metadata.format_version == 1;
  ARROW_ASSIGN_OR_RAISE(metadata.table_uuid, root.FindString("table-uuid", ""));
  if (metadata.table_uuid.empty() && !v1) return root.Error("'table-uuid' is missing");
  ARROW_ASSIGN_OR_RAISE(metadata.location, root.GetString("location"));
  while (metadata.location.size() > 1 && metadata.location.back() == '/') metadata.location.pop_back();
  ARROW_ASSIGN_OR_RAISE(auto sequence_number, root.FindInt64("last-sequence-number"));
  if (!sequence_number && !v1) return root.Error("'last-sequence-number' is missing");
  metadata.last_sequence_number = sequence_number.value_or(0);
  if (metadata.last_sequence_number < 0) return root.Error("'last-sequence-number' is negative");
  ARROW_ASSIGN_OR_RAISE(metadata.last_updated_ms, root.GetInt64("last-updated-ms"));
  ARROW_ASSIGN_OR_RAISE(metadata.last_column_id, root.GetInt("last-column-id"));
  if (auto properties = root.Find("properties")) {
    ARROW_ASSIGN_OR_RAISE(metadata.properties, ReadStringMap(*properties));
  }
  return Status::OK();
}

template <typename List, typename Write>
void WriteList(JsonWriter& writer, std::string_view key, const List& values, Write write) {
  writer.Key(key);
  writer.BeginArray();
  for (const auto& value : values) write(value, writer);
  writer.EndArray();
}

void WriteSpecs(const TableMetadata& metadata, JsonWriter& writer) {
  if (metadata.format_version == 1) {
    writer.Key("partition-spec");
    WritePartitionFields(metadata.spec(), writer);
  }
  writer.Field("default-spec-id", metadata.default_spec_id);
  WriteList(writer, "partition-specs", metadata.partition_specs, WritePartitionSpec);
  writer.Field("last-partition-id", metadata.last_partition_id);
}

void WriteLogs(const TableMetadata& metadata, JsonWriter& writer) {
  WriteList(writer, "snapshot-log", metadata.snapshot_log, [](const SnapshotLogEntry& entry, JsonWriter& out) {
    out.BeginObject();
    out.Field("timestamp-ms", entry.timestamp_ms);
    out.Field("snapshot-id", entry.snapshot_id);
    out.EndObject();
  });
  WriteList(writer, "metadata-log", metadata.metadata_log, [](const MetadataLogEntry& entry, JsonWriter& out) {
    out.BeginObject();
    out.Field("timestamp-ms", entry.timestamp_ms);
    out.Field("metadata-file", entry.metadata_file);
    out.EndObject();
  });
}

Result<TableMetadata> ReadTableMetadata(const JsonNode& root, LongLists lists) {
  ARROW_RETURN_NOT_OK(root.ExpectObject());
  TableMetadata metadata;
  ARROW_RETURN_NOT_OK(ReadScalars(root, metadata));
  ARROW_RETURN_NOT_OK(ReadSchemas(root, metadata));
  ARROW_RETURN_NOT_OK(ReadSpecs(root, metadata));
  ARROW_RETURN_NOT_OK(ReadSortOrders(root, metadata));
  ARROW_RETURN_NOT_OK(ReadSnapshots(root, metadata, lists));
  ARROW_RETURN_NOT_OK(ReadLogs(root, metadata, lists));
  metadata.extra_json = root.Rest(kMembers);
  return metadata;
}

}  // namespace

Result<TableMetadata> ReadTableMetadata(const JsonNode& root) { return ReadTableMetadata(root, {}); }

Result<TableMetadata> ParseTableMetadata(std::string_view json) {
  if (auto lists = TakeLongLists(json)) {
    auto document = ParseJson(lists->rest);
    if (document.ok()) return ReadTableMetadata(JsonNode(*document), std::move(*lists));
  }
  ARROW_ASSIGN_OR_RAISE(nlohmann::json document, ParseJson(json));
  return ReadTableMetadata(JsonNode(document));
}

std::string WriteTableMetadata(const TableMetadata& metadata) {
  constexpr size_t kSnapshotBytes = 1200;
  JsonWriter writer;
  writer.text().reserve(metadata.snapshots.size() * kSnapshotBytes + 16'384);
  writer.BeginObject();
  writer.Field("format-version", metadata.format_version);
  if (!metadata.table_uuid.empty()) writer.Field("table-uuid", metadata.table_uuid);
  writer.Field("location", metadata.location);
  if (metadata.format_version > 1) writer.Field("last-sequence-number", metadata.last_sequence_number);
  writer.Field("last-updated-ms", metadata.last_updated_ms);
  writer.Field("last-column-id", metadata.last_column_id);
  if (metadata.format_version == 1) {
    writer.Key("schema");
    WriteSchema(metadata.schema(), writer);
  }
  writer.Field("current-schema-id", metadata.current_schema_id);
  WriteList(writer, "schemas", metadata.schemas, WriteSchema);
  WriteSpecs(metadata, writer);
  writer.Field("default-sort-order-id", metadata.default_sort_order_id);
  WriteList(writer, "sort-orders", metadata.sort_orders, WriteSortOrder);
  writer.Field("properties", metadata.properties);
  // -1, as Java writes it up to v2: every reader takes it, while some older ones stumble over null.
  writer.Field("current-snapshot-id", metadata.current_snapshot_id.value_or(-1));
  writer.Key("refs");
  writer.BeginObject();
  for (const auto& [name, ref] : metadata.refs) {
    writer.Key(name);
    WriteSnapshotRef(ref, writer);
  }
  writer.EndObject();
  WriteList(writer, "snapshots", metadata.snapshots, WriteSnapshot);
  WriteLogs(metadata, writer);
  writer.Members(metadata.extra_json);
  writer.EndObject();
  return std::move(writer.text());
}

}  // namespace calve::iceberg
