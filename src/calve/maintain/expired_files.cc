#include "calve/maintain/expired_files.h"

#include <algorithm>
#include <utility>

#include "calve/iceberg/statistics_json.h"
#include "calve/maintain/orphans.h"
#include "calve/table/snapshot_manifests.h"

namespace calve::maintain {

using iceberg::ManifestFile;
using iceberg::Snapshot;
using iceberg::TableMetadata;

void ExpiredFiles::Put(const std::string& location, FileRole role, int64_t bytes) {
  files_.try_emplace(PathKey(location), ExpiredFile{location, role, bytes});
}

void ExpiredFiles::Drop(const std::string& location) { files_.erase(PathKey(location)); }

Status ExpiredFiles::Note(const Status& status) {
  if (KindOf(status) != ErrorKind::kNotFound) return status;
  notes_.push_back(MessageOf(status) + ": what an expired snapshot had in it is left to orphan removal");
  return Status::OK();
}

Status ExpiredFiles::Collect(const TableMetadata& metadata, const Snapshot& snapshot, Manifests& manifests) {
  ARROW_RETURN_NOT_OK(stop_.Check());
  ARROW_ASSIGN_OR_RAISE(const auto listed, table::ReadManifests(file_io_, metadata, snapshot));
  for (const ManifestFile& manifest : listed) manifests.try_emplace(manifest.manifest_path, manifest);
  return Status::OK();
}

// Of deleted entries: their files belonged to snapshots before, and go with the last of those.
Status ExpiredFiles::PutEntries(const TableMetadata& metadata, const ManifestFile& manifest) {
  ARROW_RETURN_NOT_OK(stop_.Check());
  ARROW_ASSIGN_OR_RAISE(const auto entries, table::ReadEntries(file_io_, metadata, manifest));
  for (const iceberg::ManifestEntry& entry : entries) {
    if (entry.status == iceberg::EntryStatus::kDeleted) continue;
    const iceberg::DataFile& file = entry.data_file;
    Put(file.file_path, file.content == iceberg::FileContent::kData ? FileRole::kData : FileRole::kDeletes,
        file.file_size_in_bytes);
  }
  return Status::OK();
}

Status ExpiredFiles::Keep(const TableMetadata& metadata, const Manifests& manifests) {
  const auto holds_rows = [](const auto& file) { return file.second.role <= FileRole::kDeletes; };
  for (const auto& [path, manifest] : manifests) {
    Drop(path);
    // Most expiries of a table that only grows take no data file along.
    if (std::none_of(files_.begin(), files_.end(), holds_rows)) continue;
    ARROW_RETURN_NOT_OK(stop_.Check());
    ARROW_ASSIGN_OR_RAISE(const auto entries, table::ReadEntries(file_io_, metadata, manifest));
    for (const iceberg::ManifestEntry& entry : entries) {
      if (entry.status != iceberg::EntryStatus::kDeleted) Drop(entry.data_file.file_path);
    }
  }
  return Status::OK();
}

Status ExpiredFiles::Find(const TableMetadata& metadata, const std::set<int64_t>& expired) {
  Manifests kept, going;
  for (const Snapshot& snapshot : metadata.snapshots) {
    if (!expired.contains(snapshot.snapshot_id)) ARROW_RETURN_NOT_OK(Collect(metadata, snapshot, kept));
  }
  for (const Snapshot& snapshot : metadata.snapshots) {
    if (!expired.contains(snapshot.snapshot_id)) continue;
    ARROW_RETURN_NOT_OK(Note(Collect(metadata, snapshot, going)));
    if (!snapshot.manifest_list.empty()) Put(snapshot.manifest_list, FileRole::kManifestList, 0);
  }
  for (const auto& [path, manifest] : going) {
    if (kept.contains(path)) continue;
    Put(path, FileRole::kManifest, manifest.manifest_length);
    ARROW_RETURN_NOT_OK(Note(PutEntries(metadata, manifest)));
  }
  for (const Snapshot& snapshot : metadata.snapshots) {
    if (!expired.contains(snapshot.snapshot_id)) Drop(snapshot.manifest_list);
  }
  ARROW_RETURN_NOT_OK(Keep(metadata, kept));
  ARROW_ASSIGN_OR_RAISE(const auto statistics, iceberg::StatisticsFiles(metadata.extra_json));
  for (const std::string& location : statistics) Put(location, FileRole::kStatistics, 0);
  ARROW_ASSIGN_OR_RAISE(const std::string extra_left, iceberg::WithoutStatistics(metadata.extra_json, expired));
  ARROW_ASSIGN_OR_RAISE(const auto statistics_left, iceberg::StatisticsFiles(extra_left));
  for (const std::string& location : statistics_left) Drop(location);
  return Status::OK();
}

Status ExpiredFiles::KeepNew(const TableMetadata& before, const TableMetadata& after) {
  Manifests added;
  for (const Snapshot& snapshot : after.snapshots) {
    if (before.FindSnapshot(snapshot.snapshot_id) != nullptr) continue;
    Drop(snapshot.manifest_list);
    ARROW_RETURN_NOT_OK(Collect(after, snapshot, added));
  }
  ARROW_RETURN_NOT_OK(Keep(after, added));
  ARROW_ASSIGN_OR_RAISE(const auto statistics, iceberg::StatisticsFiles(after.extra_json));
  for (const std::string& location : statistics) Drop(location);
  return Status::OK();
}

std::vector<ExpiredFile> ExpiredFiles::InOrder() const {
  std::vector<ExpiredFile> files;
  for (const auto& [key, file] : files_) files.push_back(file);
  std::stable_sort(files.begin(), files.end(), [](const auto& a, const auto& b) { return a.role < b.role; });
  return files;
}

}  // namespace calve::maintain
