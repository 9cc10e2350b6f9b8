#include "calve/table/scan.h"

#include <fmt/format.h>

#include <utility>

#include "calve/table/snapshot_manifests.h"

namespace calve::table {

Result<std::vector<iceberg::DataFile>> ListDataFiles(storage::FileIO& file_io, const iceberg::TableMetadata& metadata,
                                                     int64_t snapshot_id, int64_t* delete_files) {
  const iceberg::Snapshot* snapshot = metadata.FindSnapshot(snapshot_id);
  if (snapshot == nullptr) {
    return MakeError(ErrorKind::kNotFound, fmt::format("the table has no snapshot {}", snapshot_id));
  }
  ARROW_ASSIGN_OR_RAISE(const auto manifests, ReadManifests(file_io, metadata, *snapshot));
  std::vector<iceberg::DataFile> files;
  int64_t deletes = 0;
  for (const iceberg::ManifestFile& manifest : manifests) {
    if (manifest.content == iceberg::ManifestContent::kDeletes) {
      deletes += manifest.added_files_count.value_or(0) + manifest.existing_files_count.value_or(0);
      continue;
    }
    ARROW_ASSIGN_OR_RAISE(auto entries, ReadEntries(file_io, metadata, manifest));
    for (iceberg::ManifestEntry& entry : entries) {
      if (entry.status != iceberg::EntryStatus::kDeleted) files.push_back(std::move(entry.data_file));
    }
  }
  if (delete_files != nullptr) *delete_files = deletes;
  return files;
}

}  // namespace calve::table
