// Builders for tests of offload/: source tables as ClickHouse describes them, table metadata with a history.
#pragma once

#include <initializer_list>
#include <string>
#include <utility>

#include "calve/iceberg/table_metadata.h"
#include "calve/source/introspection.h"

namespace calve::offload {

inline source::SourceTable MakeSourceTable(std::initializer_list<std::pair<std::string, std::string>> columns) {
  source::SourceTable table;
  table.database = "k2";
  table.name = "trades";
  table.engine = "MergeTree";
  for (const auto& [name, type] : columns) {
    table.columns.push_back({name, source::ParseClickHouseType(type).ValueOrDie(), "", ""});
  }
  return table;
}

inline iceberg::NestedField Field(int id, const std::string& name, bool required, iceberg::Type type) {
  return iceberg::NestedField{id, name, required, std::move(type), ""};
}

inline iceberg::TableMetadata MakeMetadata(std::vector<iceberg::NestedField> fields) {
  iceberg::TableMetadata metadata;
  metadata.table_uuid = "11111111-2222-4333-8444-555555555555";
  metadata.location = "/tmp/none/cold/trades";
  iceberg::Schema schema;
  schema.fields = std::move(fields);
  metadata.last_column_id = schema.HighestFieldId();
  metadata.schemas = {schema};
  metadata.partition_specs = {iceberg::PartitionSpec{}};
  metadata.sort_orders = {iceberg::SortOrder{}};
  return metadata;
}

// Adds a snapshot on top of main.
inline iceberg::Snapshot& AddSnapshotOnMain(iceberg::TableMetadata& metadata, int64_t id,
                                            std::map<std::string, std::string> summary) {
  iceberg::Snapshot snapshot;
  snapshot.snapshot_id = id;
  snapshot.parent_snapshot_id = metadata.current_snapshot_id;
  snapshot.sequence_number = ++metadata.last_sequence_number;
  summary["operation"] = "append";
  snapshot.summary = std::move(summary);
  metadata.snapshots.push_back(snapshot);
  metadata.current_snapshot_id = id;
  metadata.refs["main"] = iceberg::SnapshotRef{id, true, {}, {}, {}};
  return metadata.snapshots.Edit(metadata.snapshots.size() - 1);
}

}  // namespace calve::offload
