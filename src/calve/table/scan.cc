#include "calve/table/scan.h"

#include <fmt/format.h>

#include <functional>
#include <utility>

#include "calve/table/scan_deletes.h"
#include "calve/table/scan_pruning.h"
#include "calve/table/snapshot_manifests.h"

namespace calve::table {

using iceberg::ManifestContent;
using iceberg::ManifestEntry;
using iceberg::ManifestFile;

namespace {

Result<std::vector<ManifestFile>> ManifestsOf(storage::FileIO& file_io, const iceberg::TableMetadata& metadata,
                                              int64_t snapshot_id) {
  const iceberg::Snapshot* snapshot = metadata.FindSnapshot(snapshot_id);
  if (snapshot == nullptr) {
    return MakeError(ErrorKind::kNotFound, fmt::format("the table has no snapshot {}", snapshot_id));
  }
  return ReadManifests(file_io, metadata, *snapshot);
}

int64_t LiveFiles(const ManifestFile& manifest) {
  return manifest.added_files_count.value_or(0) + manifest.existing_files_count.value_or(0);
}

Status ForEachLiveEntry(storage::FileIO& file_io, const iceberg::TableMetadata& metadata, const ManifestFile& manifest,
                        const std::function<void(ManifestEntry&)>& take) {
  ARROW_ASSIGN_OR_RAISE(auto entries, ReadEntries(file_io, metadata, manifest));
  for (ManifestEntry& entry : entries) {
    if (entry.status != iceberg::EntryStatus::kDeleted) take(entry);
  }
  return Status::OK();
}

}  // namespace

Result<std::vector<iceberg::DataFile>> ListDataFiles(storage::FileIO& file_io, const iceberg::TableMetadata& metadata,
                                                     int64_t snapshot_id, int64_t* delete_files) {
  ARROW_ASSIGN_OR_RAISE(const auto manifests, ManifestsOf(file_io, metadata, snapshot_id));
  std::vector<iceberg::DataFile> files;
  int64_t deletes = 0;
  for (const ManifestFile& manifest : manifests) {
    if (manifest.content == ManifestContent::kDeletes) {
      deletes += LiveFiles(manifest);
      continue;
    }
    ARROW_RETURN_NOT_OK(ForEachLiveEntry(file_io, metadata, manifest,
                                         [&](ManifestEntry& entry) { files.push_back(std::move(entry.data_file)); }));
  }
  if (delete_files != nullptr) *delete_files = deletes;
  return files;
}

Result<std::vector<ScanTask>> PlanScan(storage::FileIO& file_io, const iceberg::TableMetadata& metadata,
                                       int64_t snapshot_id, const std::optional<iceberg::RowRange>& range) {
  ARROW_ASSIGN_OR_RAISE(const auto manifests, ManifestsOf(file_io, metadata, snapshot_id));
  std::optional<RangePruner> pruner;
  if (range) pruner.emplace(metadata, *range);
  DeleteIndex deletes(metadata);
  std::vector<ScanTask> tasks;
  for (const ManifestFile& manifest : manifests) {
    const bool is_data = manifest.content == ManifestContent::kData;
    if (LiveFiles(manifest) == 0 || (is_data && pruner && !pruner->MayMatch(manifest))) continue;
    ARROW_RETURN_NOT_OK(ForEachLiveEntry(file_io, metadata, manifest, [&](ManifestEntry& entry) {
      const int64_t sequence_number = entry.sequence_number.value_or(0);
      if (!is_data) {
        deletes.Add(std::move(entry.data_file), sequence_number);
      } else if (!pruner || pruner->MayMatch(entry.data_file)) {
        tasks.push_back({std::move(entry.data_file), sequence_number, {}});
      }
    }));
  }
  for (ScanTask& task : tasks) task.deletes = deletes.For(task.file, task.sequence_number);
  return tasks;
}

}  // namespace calve::table
