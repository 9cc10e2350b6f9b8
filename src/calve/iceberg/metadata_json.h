// Table metadata and its parts to and from JSON, inside of larger documents. Spec: appendix C.
#pragma once

#include "calve/iceberg/json_reader.h"
#include "calve/iceberg/json_writer.h"
#include "calve/iceberg/table_metadata.h"

namespace calve::iceberg {

Result<Schema> ReadSchema(const JsonNode& node);
void WriteSchema(const Schema& schema, JsonWriter& writer);

// `fields` is the array. Where v1 left out field ids they are given from 1000 on, as Java does.
Result<PartitionSpec> ReadPartitionFields(int spec_id, const JsonNode& fields);
Result<PartitionSpec> ReadPartitionSpec(const JsonNode& node);
void WritePartitionFields(const PartitionSpec& spec, JsonWriter& writer);
void WritePartitionSpec(const PartitionSpec& spec, JsonWriter& writer);

Result<SortOrder> ReadSortOrder(const JsonNode& node);
void WriteSortOrder(const SortOrder& order, JsonWriter& writer);

Result<Snapshot> ReadSnapshot(const JsonNode& node);
void WriteSnapshot(const Snapshot& snapshot, JsonWriter& writer);

Result<SnapshotRef> ReadSnapshotRef(const JsonNode& node);
void WriteSnapshotRef(const SnapshotRef& ref, JsonWriter& writer);
// The same without the braces.
void WriteSnapshotRefMembers(const SnapshotRef& ref, JsonWriter& writer);

// The whole of it, inside of a larger document: ParseTableMetadata's rules.
Result<TableMetadata> ReadTableMetadata(const JsonNode& root);

// Values that are no strings (some writers leave numbers and booleans) become their JSON text.
Result<std::map<std::string, std::string>> ReadStringMap(const JsonNode& node);

}  // namespace calve::iceberg
