#include "calve/table/snapshot_manifests.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "calve/iceberg/manifest.h"

namespace calve::table {

using iceberg::EntryStatus;
using iceberg::ManifestEntry;
using iceberg::ManifestFile;
using iceberg::TableMetadata;

namespace {

bool HasCounts(const ManifestFile& manifest) {
  return manifest.added_files_count && manifest.existing_files_count && manifest.deleted_files_count &&
         manifest.added_rows_count && manifest.existing_rows_count && manifest.deleted_rows_count;
}

Result<std::vector<ManifestEntry>> Decode(std::string_view bytes, const TableMetadata& metadata,
                                          const ManifestFile& manifest) {
  const iceberg::PartitionSpec* spec = metadata.FindSpec(manifest.partition_spec_id);
  if (spec == nullptr) {
    return MakeError(ErrorKind::kCorrupt, fmt::format("manifest {}: the table has no partition spec {}",
                                                      manifest.manifest_path, manifest.partition_spec_id));
  }
  return DecodeManifest(bytes, SchemaFor(metadata, *spec), *spec, &manifest);
}

void FillCounts(const std::vector<ManifestEntry>& entries, ManifestFile& manifest) {
  int64_t files[3] = {0, 0, 0};
  int64_t rows[3] = {0, 0, 0};
  for (const ManifestEntry& entry : entries) {
    files[static_cast<int>(entry.status)] += 1;
    rows[static_cast<int>(entry.status)] += entry.data_file.record_count;
  }
  manifest.existing_files_count = files[0];
  manifest.added_files_count = files[1];
  manifest.deleted_files_count = files[2];
  manifest.existing_rows_count = rows[0];
  manifest.added_rows_count = rows[1];
  manifest.deleted_rows_count = rows[2];
}

// As Java's addMetadata: the snapshot of the first file added, or else the newest one that an entry names.
int64_t AddedIn(const std::vector<ManifestEntry>& entries) {
  int64_t highest = 0;
  for (const ManifestEntry& entry : entries) {
    if (entry.status == EntryStatus::kAdded && entry.snapshot_id) return *entry.snapshot_id;
    highest = std::max(highest, entry.snapshot_id.value_or(0));
  }
  return highest;
}

// A v1 snapshot names its manifests in the metadata, without a word on what is in them.
Result<ManifestFile> DescribeV1Manifest(storage::FileIO& file_io, const TableMetadata& metadata,
                                        const std::string& path) {
  ARROW_ASSIGN_OR_RAISE(const std::string bytes, file_io.Read(path));
  const auto header = iceberg::DecodeManifestHeader(bytes);
  if (!header.ok()) return WithContext(header.status(), path);
  ManifestFile manifest;
  manifest.manifest_path = path;
  manifest.manifest_length = static_cast<int64_t>(bytes.size());
  manifest.partition_spec_id = header->spec_id;
  manifest.content = header->content;
  ARROW_ASSIGN_OR_RAISE(const auto entries, Decode(bytes, metadata, manifest));
  FillCounts(entries, manifest);
  manifest.added_snapshot_id = AddedIn(entries);
  return manifest;
}

}  // namespace

const iceberg::Schema& SchemaFor(const TableMetadata& metadata, const iceberg::PartitionSpec& spec) {
  const auto fits = [&](const iceberg::Schema& schema) {
    return std::all_of(spec.fields.begin(), spec.fields.end(),
                       [&](const auto& field) { return schema.FindField(field.source_id) != nullptr; });
  };
  if (fits(metadata.schema())) return metadata.schema();
  for (const iceberg::Schema& schema : metadata.schemas) {
    if (fits(schema)) return schema;
  }
  return metadata.schema();
}

bool CanRewriteManifest(const TableMetadata& metadata, const ManifestFile& manifest) {
  const iceberg::PartitionSpec* spec = metadata.FindSpec(manifest.partition_spec_id);
  return spec != nullptr && !manifest.key_metadata && PartitionType(*spec, SchemaFor(metadata, *spec)).ok() &&
         std::none_of(spec->fields.begin(), spec->fields.end(),
                      [](const auto& field) { return field.transform.kind == iceberg::TransformKind::kUnknown; });
}

bool HasLiveFiles(const ManifestFile& manifest) {
  return manifest.added_files_count.value_or(1) > 0 || manifest.existing_files_count.value_or(1) > 0;
}

Result<std::vector<ManifestFile>> ReadManifests(storage::FileIO& file_io, const TableMetadata& metadata,
                                                const iceberg::Snapshot& snapshot) {
  std::vector<ManifestFile> manifests;
  if (snapshot.manifest_list.empty()) {
    for (const std::string& path : snapshot.v1_manifests) {
      ARROW_ASSIGN_OR_RAISE(ManifestFile manifest, DescribeV1Manifest(file_io, metadata, path));
      manifests.push_back(std::move(manifest));
    }
    return manifests;
  }
  ARROW_ASSIGN_OR_RAISE(const std::string bytes, file_io.Read(snapshot.manifest_list));
  auto decoded = iceberg::DecodeManifestList(bytes);
  if (!decoded.ok()) return WithContext(decoded.status(), snapshot.manifest_list);
  manifests = decoded.MoveValueUnsafe();
  for (ManifestFile& manifest : manifests) {
    if (HasCounts(manifest)) continue;
    ARROW_ASSIGN_OR_RAISE(const auto entries, ReadEntries(file_io, metadata, manifest));
    FillCounts(entries, manifest);
  }
  return manifests;
}

Result<std::vector<ManifestEntry>> ReadEntries(storage::FileIO& file_io, const TableMetadata& metadata,
                                               const ManifestFile& manifest) {
  if (manifest.key_metadata) {
    return MakeError(ErrorKind::kUnsupported, "manifest " + manifest.manifest_path + " is encrypted");
  }
  ARROW_ASSIGN_OR_RAISE(const std::string bytes, file_io.Read(manifest.manifest_path));
  return Decode(bytes, metadata, manifest);
}

}  // namespace calve::table
