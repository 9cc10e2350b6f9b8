// Table metadata, v1 and v2 (read), v2 (written). Spec: "Table Metadata", "Snapshots", "Snapshot References".
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "calve/iceberg/partition_spec.h"
#include "calve/iceberg/snapshot.h"

namespace calve::iceberg {

inline constexpr std::string_view kMainBranch = "main";

struct SnapshotRef {
  int64_t snapshot_id = 0;
  bool is_branch = true;
  std::optional<int64_t> min_snapshots_to_keep = std::nullopt;
  std::optional<int64_t> max_snapshot_age_ms = std::nullopt;
  std::optional<int64_t> max_ref_age_ms = std::nullopt;
  friend bool operator==(const SnapshotRef&, const SnapshotRef&) = default;
};

struct SnapshotLogEntry {
  int64_t timestamp_ms = 0;
  int64_t snapshot_id = 0;
};

struct MetadataLogEntry {
  int64_t timestamp_ms = 0;
  std::string metadata_file;
};

struct TableMetadata {
  int format_version = 2;
  std::string table_uuid;
  std::string location;  // without a trailing slash
  int64_t last_sequence_number = 0;
  int64_t last_updated_ms = 0;
  int last_column_id = 0;
  std::vector<Schema> schemas;
  int current_schema_id = 0;
  std::vector<PartitionSpec> partition_specs;
  int default_spec_id = 0;
  int last_partition_id = 999;
  std::map<std::string, std::string> properties;
  std::optional<int64_t> current_snapshot_id;
  SnapshotList snapshots;
  std::vector<SnapshotLogEntry> snapshot_log;
  std::vector<MetadataLogEntry> metadata_log;
  std::vector<SortOrder> sort_orders;
  int default_sort_order_id = 0;
  std::map<std::string, SnapshotRef> refs;
  std::string extra_json;  // top-level members that calve does not know (statistics, …), kept: a JSON object, or empty

  const Schema& schema() const;         // the current one
  const PartitionSpec& spec() const;    // the default one
  const SortOrder& sort_order() const;  // the default one
  const Schema* FindSchema(int id) const;
  const PartitionSpec* FindSpec(int id) const;
  const Snapshot* FindSnapshot(int64_t id) const;
  // The snapshot at the tip of `main`; null for a table without one.
  const Snapshot* CurrentSnapshot() const;
  // The parent; null where it has none, or where it is no longer in the table.
  const Snapshot* ParentOf(const Snapshot& snapshot) const;
  // Where a catalog shows the current snapshot alone, without its parent (Nessie): one that was not the first, and no
  // older metadata file is known, of which every other writer keeps at least one.
  bool HidesHistory() const;
  std::string Property(const std::string& key, std::string fallback) const;
  // kConfig where the property is there and not a number.
  Result<int64_t> IntProperty(const std::string& key, int64_t fallback) const;
  Result<bool> BoolProperty(const std::string& key, bool fallback) const;
};

// kCorrupt says what is wrong, with the JSON path. Lenient about what others write: fields missing in v1, refs absent,
// current-snapshot-id -1. kUnsupported for format versions other than 1, 2 and 3.
Result<TableMetadata> ParseTableMetadata(std::string_view json);
// All of v2's required members. A v1 table is written back as v1 only by engines; calve upgrades it to v2 with its
// first commit.
std::string WriteTableMetadata(const TableMetadata& metadata);

// Schemas, specs and orders alone (manifest headers and the REST API use them).
std::string WriteSchemaJson(const Schema& schema);
Result<Schema> ParseSchemaJson(std::string_view json);
std::string WritePartitionFieldsJson(const PartitionSpec& spec);  // the fields array only

// v2 metadata of a new, empty table: fresh field ids, spec and order rebound to them by name. `now_ms` and `uuid` come
// from the caller. Errors: kConfig.
Result<TableMetadata> NewTableMetadata(const Schema& schema, const PartitionSpec& spec, const SortOrder& order,
                                       const std::string& location,
                                       const std::map<std::string, std::string>& properties, const std::string& uuid,
                                       int64_t now_ms);

}  // namespace calve::iceberg
