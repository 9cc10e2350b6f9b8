#include <algorithm>
#include <limits>
#include <utility>

#include "calve/iceberg/avro_file.h"
#include "calve/iceberg/manifest.h"
#include "calve/iceberg/manifest_partition.h"
#include "calve/iceberg/manifest_schema.h"
#include "calve/iceberg/table_metadata.h"

namespace calve::iceberg {
namespace {

void PutOptional(std::string& out, std::optional<int64_t> value) {
  PutAvroLong(out, value ? 1 : 0);
  if (value) PutAvroLong(out, *value);
}

void PutValue(std::string& out, int64_t value) { PutAvroLong(out, value); }
void PutValue(std::string& out, const std::string& value) { PutAvroBytes(out, value); }

// Empty is null: metrics that are not known.
template <typename Value>
void PutMap(std::string& out, const std::map<int, Value>& map) {
  PutAvroLong(out, map.empty() ? 0 : 1);
  if (map.empty()) return;
  PutAvroLong(out, static_cast<int64_t>(map.size()));
  for (const auto& [key, value] : map) {
    PutAvroLong(out, key);
    PutValue(out, value);
  }
  PutAvroLong(out, 0);
}

template <typename Item>
void PutArray(std::string& out, const std::vector<Item>& items) {
  PutAvroLong(out, items.empty() ? 0 : 1);
  if (items.empty()) return;
  PutAvroLong(out, static_cast<int64_t>(items.size()));
  for (const Item item : items) PutAvroLong(out, item);
  PutAvroLong(out, 0);
}

Status PutDataFile(std::string& out, const DataFile& file, const Type& partition) {
  PutAvroLong(out, static_cast<int>(file.content));
  PutAvroBytes(out, file.file_path);
  PutAvroBytes(out, file.file_format);
  ARROW_RETURN_NOT_OK(manifest::PutPartition(out, partition, file.partition));
  PutAvroLong(out, file.record_count);
  PutAvroLong(out, file.file_size_in_bytes);
  PutMap(out, file.column_sizes);
  PutMap(out, file.value_counts);
  PutMap(out, file.null_value_counts);
  PutMap(out, file.nan_value_counts);
  PutMap(out, file.lower_bounds);
  PutMap(out, file.upper_bounds);
  PutAvroLong(out, file.key_metadata ? 1 : 0);
  if (file.key_metadata) PutAvroBytes(out, *file.key_metadata);
  PutArray(out, file.split_offsets);
  PutArray(out, file.equality_ids);
  PutOptional(out, file.sort_order_id);
  return Status::OK();
}

// What would make readers fail, or see other rows than were meant.
Status Check(const ManifestEntry& entry) {
  const DataFile& file = entry.data_file;
  if (file.content != FileContent::kData)
    return MakeError(ErrorKind::kFailed, "a delete file in a manifest of data files");
  if (file.file_path.empty()) return MakeError(ErrorKind::kFailed, "a data file without a path");
  if (file.record_count < 0 || file.file_size_in_bytes < 0)
    return MakeError(ErrorKind::kFailed, "a negative size or count");
  if (entry.status == EntryStatus::kAdded) return Status::OK();
  if (!entry.sequence_number || !entry.file_sequence_number) {
    return MakeError(ErrorKind::kFailed, "an existing or deleted entry without sequence numbers");
  }
  if (entry.status == EntryStatus::kExisting && !entry.snapshot_id) {
    return MakeError(ErrorKind::kFailed, "an existing entry without a snapshot id");
  }
  return Status::OK();
}

// Spec, "Sequence Number Inheritance": a new file's numbers are the snapshot's, which the commit decides; but for the
// data sequence number of rows that are older than their file.
Status PutEntry(std::string& out, const ManifestEntry& entry, int64_t snapshot_id, const Type& partition) {
  const bool added = entry.status == EntryStatus::kAdded;
  PutAvroLong(out, static_cast<int>(entry.status));
  PutOptional(out, entry.snapshot_id ? *entry.snapshot_id : snapshot_id);
  PutOptional(out, entry.sequence_number);
  PutOptional(out, added ? std::nullopt : entry.file_sequence_number);
  return PutDataFile(out, entry.data_file, partition);
}

void Count(ManifestFile& summary, const ManifestEntry& entry) {
  auto add = [&](std::optional<int64_t>& files, std::optional<int64_t>& rows) {
    *files += 1;
    *rows += entry.data_file.record_count;
  };
  switch (entry.status) {
    case EntryStatus::kAdded:
      return add(summary.added_files_count, summary.added_rows_count);
    case EntryStatus::kExisting:
      return add(summary.existing_files_count, summary.existing_rows_count);
    case EntryStatus::kDeleted:
      return add(summary.deleted_files_count, summary.deleted_rows_count);
  }
}

ManifestFile EmptySummary(int spec_id, int64_t snapshot_id) {
  ManifestFile summary;
  summary.partition_spec_id = spec_id;
  summary.added_snapshot_id = snapshot_id;
  summary.sequence_number = kUnassignedSequenceNumber;
  summary.min_sequence_number = kUnassignedSequenceNumber;
  summary.added_files_count = summary.existing_files_count = summary.deleted_files_count = 0;
  summary.added_rows_count = summary.existing_rows_count = summary.deleted_rows_count = 0;
  return summary;
}

}  // namespace

Result<EncodedManifest> EncodeManifest(const Schema& schema, const PartitionSpec& spec, int64_t snapshot_id,
                                       std::span<const ManifestEntry> entries) {
  ARROW_ASSIGN_OR_RAISE(const Type partition, PartitionType(spec, schema));
  AvroFileWriter writer(manifest::EntrySchemaJson(partition), {{"schema", WriteSchemaJson(schema)},
                                                               {"schema-id", std::to_string(schema.schema_id)},
                                                               {"partition-spec", WritePartitionFieldsJson(spec)},
                                                               {"partition-spec-id", std::to_string(spec.spec_id)},
                                                               {"format-version", "2"},
                                                               {"content", "data"}});
  EncodedManifest encoded;
  encoded.summary = EmptySummary(spec.spec_id, snapshot_id);
  manifest::PartitionSummary partitions(partition);
  int64_t lowest = std::numeric_limits<int64_t>::max();
  for (const ManifestEntry& entry : entries) {
    Status status = Check(entry);
    if (status.ok()) status = PutEntry(writer.buffer(), entry, snapshot_id, partition);
    if (!status.ok()) return WithContext(status, "manifest entry of " + entry.data_file.file_path);
    ARROW_RETURN_NOT_OK(writer.EndObject());
    partitions.Add(entry.data_file.partition);
    Count(encoded.summary, entry);
    if (entry.status != EntryStatus::kDeleted && entry.sequence_number)
      lowest = std::min(lowest, *entry.sequence_number);
  }
  ARROW_ASSIGN_OR_RAISE(encoded.bytes, writer.Finish());
  encoded.summary.manifest_length = static_cast<int64_t>(encoded.bytes.size());
  encoded.summary.partitions = partitions.Finish();
  if (lowest != std::numeric_limits<int64_t>::max()) encoded.summary.min_sequence_number = lowest;
  return encoded;
}

}  // namespace calve::iceberg
