// What a commit asserts and what it changes: plain structs, as in the REST catalog's CommitTableRequest, and the pure
// function that applies them.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "calve/iceberg/table_metadata.h"

namespace calve::iceberg {

// --- requirements
struct AssertCreate {};
struct AssertTableUuid {
  std::string uuid;
};
struct AssertRefSnapshotId {
  std::string ref;
  std::optional<int64_t> snapshot_id;
};  // nullopt: the ref must not exist
struct AssertLastAssignedFieldId {
  int id;
};
struct AssertCurrentSchemaId {
  int id;
};
struct AssertLastAssignedPartitionId {
  int id;
};
struct AssertDefaultSpecId {
  int id;
};
struct AssertDefaultSortOrderId {
  int id;
};
using TableRequirement =
    std::variant<AssertCreate, AssertTableUuid, AssertRefSnapshotId, AssertLastAssignedFieldId, AssertCurrentSchemaId,
                 AssertLastAssignedPartitionId, AssertDefaultSpecId, AssertDefaultSortOrderId>;

// --- updates
struct UpgradeFormatVersion {
  int version;
};
struct AddSchema {
  Schema schema;
};  // last-column-id follows from it
struct SetCurrentSchema {
  int schema_id;
};  // -1: the last one added
struct AddPartitionSpec {
  PartitionSpec spec;
};
struct SetDefaultSpec {
  int spec_id;
};  // -1: the last one added
struct AddSortOrder {
  SortOrder order;
};
struct SetDefaultSortOrder {
  int order_id;
};  // -1: the last one added
struct AddSnapshot {
  Snapshot snapshot;
};
struct SetSnapshotRef {
  std::string name;
  SnapshotRef ref;
};
struct RemoveSnapshotRef {
  std::string name;
};
struct RemoveSnapshots {
  std::vector<int64_t> snapshot_ids;
};
// In place of the snapshot's entry, if it has one. `entry`: as StatisticsEntry (puffin.h) makes it.
struct SetStatistics {
  int64_t snapshot_id = 0;
  std::string entry;
};
struct SetLocation {
  std::string location;
};
struct SetProperties {
  std::map<std::string, std::string> values;
};
struct RemoveProperties {
  std::vector<std::string> keys;
};
using TableUpdate = std::variant<UpgradeFormatVersion, AddSchema, SetCurrentSchema, AddPartitionSpec, SetDefaultSpec,
                                 AddSortOrder, SetDefaultSortOrder, AddSnapshot, SetSnapshotRef, RemoveSnapshotRef,
                                 RemoveSnapshots, SetStatistics, SetLocation, SetProperties, RemoveProperties>;

// OK, or kConflict that says which requirement does not hold and what was found. `base` null: there is no table.
Status CheckRequirements(const TableMetadata* base, std::span<const TableRequirement> requirements);

// The metadata after `updates`, with last-updated-ms, snapshot log and sequence numbers kept true. Refuses (kFailed)
// what would break an invariant of the spec: a snapshot whose sequence number is not above the last, a ref to an
// unknown snapshot, a reused snapshot id, a schema that reuses a field id for another type. kConflict where a
// snapshot is to be removed that a ref points to, or is to have statistics and is not there. Works in place on a base
// that is moved in.
Result<TableMetadata> ApplyUpdates(TableMetadata base, std::span<const TableUpdate> updates, int64_t now_ms);

}  // namespace calve::iceberg
