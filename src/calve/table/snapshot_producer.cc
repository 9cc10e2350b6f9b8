#include "calve/table/snapshot_producer.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "calve/base/random.h"
#include "calve/iceberg/manifest.h"
#include "calve/table/snapshot_manifests.h"
#include "calve/table/snapshot_summary.h"

namespace calve::table {

using iceberg::EntryStatus;
using iceberg::ManifestContent;
using iceberg::ManifestEntry;
using iceberg::ManifestFile;
using iceberg::TableMetadata;

namespace {

std::string MetadataLocation(const TableMetadata& base, const std::string& name) {
  return storage::JoinLocation(base.Property("write.metadata.path", storage::JoinLocation(base.location, "metadata")),
                               name);
}

Status CheckFormat(const TableMetadata& base) {
  if (base.format_version <= 2) return Status::OK();
  return MakeError(ErrorKind::kUnsupported, fmt::format("writing to a table of format version {}", base.format_version),
                   "Use a target table of format version 2.");
}

// Entries of older snapshots become EXISTING and keep their numbers and their snapshot, or DELETED by this one and keep
// their numbers; files that older snapshots deleted are gone for good. Our own stay as they were first written.
void AddRewritten(std::vector<ManifestEntry> entries, int64_t snapshot_id, std::optional<int64_t> own_sequence_number,
                  const RemovedFiles& removed, std::vector<ManifestEntry>& rewritten) {
  for (ManifestEntry& entry : entries) {
    const bool ours = entry.snapshot_id == snapshot_id;
    if (entry.status == EntryStatus::kDeleted && !ours) continue;
    if (!ours && removed.Contains(entry.data_file.file_path)) {
      entry.status = EntryStatus::kDeleted;
      entry.snapshot_id = snapshot_id;
    } else if (entry.status == EntryStatus::kAdded && !ours) {
      entry.status = EntryStatus::kExisting;
    }
    if (ours && entry.status == EntryStatus::kAdded) {
      entry.sequence_number = own_sequence_number;
      entry.file_sequence_number.reset();
    }
    rewritten.push_back(std::move(entry));
  }
}

}  // namespace

SnapshotProducer::SnapshotProducer(storage::FileIO& file_io, SnapshotRequest request)
    : file_io_(file_io),
      request_(std::move(request)),
      removed_(file_io, request_.removed, request_.planned_snapshot_id,
               /*ignore_equality_deletes=*/request_.data_sequence_number.has_value()) {}

Status SnapshotProducer::CheckRequest() const {
  if (removed_.empty()) return Status::OK();
  if (!request_.planned_snapshot_id) {
    return MakeError(ErrorKind::kFailed, "files are to be removed, and the snapshot they were read from is not named");
  }
  for (const iceberg::DataFile& file : request_.removed) {
    if (file.content == iceberg::FileContent::kData) continue;
    return MakeError(ErrorKind::kFailed, "a delete file cannot be removed: " + file.file_path);
  }
  // Whoever deletes the files of removed entries one day would delete those of live ones.
  for (const iceberg::DataFile& file : request_.added) {
    if (!removed_.Contains(file.file_path)) continue;
    return MakeError(ErrorKind::kFailed, "a file cannot be both added and removed: " + file.file_path);
  }
  return Status::OK();
}

Status SnapshotProducer::ChooseSnapshotId(const TableMetadata& base) {
  if (snapshot_id_ && base.FindSnapshot(*snapshot_id_) != nullptr) {
    return MakeError(ErrorKind::kAlreadyExists,
                     fmt::format("snapshot {} is in the table: an earlier attempt was committed", *snapshot_id_));
  }
  while (!snapshot_id_ || base.FindSnapshot(*snapshot_id_) != nullptr) snapshot_id_ = RandomPositiveInt64();
  return Status::OK();
}

Status SnapshotProducer::Write(const std::string& location, const std::string& bytes) {
  const Status status = file_io_.WriteNew(location, bytes);
  // What may be there is ours to delete, but for a file that was there before.
  if (KindOf(status) != ErrorKind::kAlreadyExists) written_.insert(location);
  // Nothing refers to this file yet: a write whose outcome is unknown is one to do again, under another name.
  if (KindOf(status) == ErrorKind::kUnknownOutcome) return WithKind(status, ErrorKind::kRetry);
  return status;
}

Result<ManifestFile> SnapshotProducer::WriteManifest(const TableMetadata& base, int spec_id,
                                                     const std::vector<ManifestEntry>& entries) {
  const iceberg::PartitionSpec* spec = base.FindSpec(spec_id);
  if (spec == nullptr) return MakeError(ErrorKind::kFailed, fmt::format("the table has no partition spec {}", spec_id));
  ARROW_ASSIGN_OR_RAISE(auto manifest, EncodeManifest(SchemaFor(base, *spec), *spec, *snapshot_id_, entries));
  manifest.summary.manifest_path =
      MetadataLocation(base, fmt::format("{}-m{}.avro", request_.commit_id, manifest_count_++));
  ARROW_RETURN_NOT_OK(Write(manifest.summary.manifest_path, manifest.bytes));
  return std::move(manifest.summary);
}

Status SnapshotProducer::WriteOwnManifests(const TableMetadata& base, const MergeOptions& options) {
  // Deflated entries with bounds of twenty columns take some 250 bytes; this keeps manifests near the target size.
  constexpr int64_t kEntryBytes = 250;
  constexpr int64_t kEntriesMin = 250;
  const auto entries_max = static_cast<size_t>(std::max<int64_t>(options.target_bytes / kEntryBytes, kEntriesMin));
  std::map<int, std::vector<ManifestEntry>> by_spec;
  for (const iceberg::DataFile& file : request_.added) {
    by_spec[file.spec_id].push_back(
        {EntryStatus::kAdded, snapshot_id_, request_.data_sequence_number, std::nullopt, file});
  }
  std::vector<ManifestFile> manifests;
  for (const auto& [spec_id, entries] : by_spec) {
    for (size_t begin = 0; begin < entries.size(); begin += entries_max) {
      const auto first = entries.begin() + static_cast<std::ptrdiff_t>(begin);
      const auto count = static_cast<std::ptrdiff_t>(std::min(entries_max, entries.size() - begin));
      ARROW_ASSIGN_OR_RAISE(auto manifest, WriteManifest(base, spec_id, {first, first + count}));
      manifests.push_back(std::move(manifest));
    }
  }
  own_manifests_ = std::move(manifests);
  return Status::OK();
}

Result<ManifestFile> SnapshotProducer::Rewrite(const TableMetadata& base, const MergeBin& bin) {
  std::vector<std::string> paths;
  for (const ManifestFile& manifest : bin) paths.push_back(manifest.manifest_path);
  const auto known = rewritten_.find(paths);
  if (known != rewritten_.end()) return known->second;
  std::vector<ManifestEntry> rewritten;
  for (const ManifestFile& manifest : bin) {
    ARROW_ASSIGN_OR_RAISE(auto entries, ReadEntries(file_io_, base, manifest));
    AddRewritten(std::move(entries), *snapshot_id_, request_.data_sequence_number, removed_, rewritten);
  }
  if (request_.rewrite_manifests) {
    // Readers of a few partitions then skip whole manifests.
    std::stable_sort(rewritten.begin(), rewritten.end(), [](const ManifestEntry& a, const ManifestEntry& b) {
      return std::lexicographical_compare(
          a.data_file.partition.begin(), a.data_file.partition.end(), b.data_file.partition.begin(),
          b.data_file.partition.end(), [](const auto& x, const auto& y) { return iceberg::CompareLiterals(x, y) < 0; });
    });
  }
  ARROW_ASSIGN_OR_RAISE(const ManifestFile manifest, WriteManifest(base, bin.front().partition_spec_id, rewritten));
  rewritten_.emplace(std::move(paths), manifest);
  return manifest;
}

// Our own manifests first, then the parent's: data manifests merged by plan and freed of removed files, others
// untouched.
Result<std::vector<ManifestFile>> SnapshotProducer::NewManifests(const TableMetadata& base, const MergeOptions& options,
                                                                 const std::vector<ManifestFile>& parents,
                                                                 const LocatedFiles& removed) {
  std::vector<ManifestFile> data = own_manifests_;
  std::vector<ManifestFile> untouched;
  for (const ManifestFile& manifest : parents) {
    if (manifest.content == ManifestContent::kDeletes) {
      untouched.push_back(manifest);
    } else if (HasLiveFiles(manifest)) {
      const bool can_rewrite = CanRewriteManifest(base, manifest);
      if (!can_rewrite && removed.manifests.contains(manifest.manifest_path)) {
        return MakeError(ErrorKind::kUnsupported,
                         fmt::format("manifest {} holds files to replace and cannot be rewritten: it is encrypted, or "
                                     "of a partition transform that is not known",
                                     manifest.manifest_path));
      }
      (can_rewrite ? data : untouched).push_back(manifest);
    }
  }
  // Without files of our own nothing grows, and an empty window stays cheap.
  MergeOptions effective = options;
  effective.enabled = options.enabled && !own_manifests_.empty();
  std::vector<ManifestFile> manifests;
  const auto plan = request_.rewrite_manifests ? PlanManifestRewrite(base, data, options) : PlanMerge(data, effective);
  for (const MergeBin& bin : plan) {
    if (bin.size() == 1 && !removed.manifests.contains(bin.front().manifest_path)) {
      manifests.push_back(bin.front());
      continue;
    }
    ARROW_ASSIGN_OR_RAISE(auto rewritten, Rewrite(base, bin));
    manifests.push_back(std::move(rewritten));
  }
  manifests.insert(manifests.end(), untouched.begin(), untouched.end());
  return manifests;
}

iceberg::Snapshot SnapshotProducer::NewSnapshot(const TableMetadata& base, const std::vector<ManifestFile>& parents,
                                                const LocatedFiles& removed, int64_t now_ms) {
  const iceberg::Snapshot* parent = base.CurrentSnapshot();
  std::vector<iceberg::DataFile> removed_files;
  for (const ManifestEntry& entry : removed.entries) removed_files.push_back(entry.data_file);
  iceberg::Snapshot snapshot;
  snapshot.snapshot_id = *snapshot_id_;
  if (parent != nullptr) snapshot.parent_snapshot_id = parent->snapshot_id;
  snapshot.sequence_number = base.last_sequence_number + 1;
  // Engines refuse a snapshot older than the table's last change; clocks differ.
  snapshot.timestamp_ms = std::max(now_ms, base.last_updated_ms);
  snapshot.schema_id = base.current_schema_id;
  auto summary = SnapshotSummary(request_.summary, request_.added, removed_files, base, parent, parents);
  if (request_.replace) summary["operation"] = "replace";
  snapshot.summary = summary;
  snapshot.manifest_list =
      MetadataLocation(base, fmt::format("snap-{}-{}-{}.avro", *snapshot_id_, ++attempt_, request_.commit_id));
  return snapshot;
}

Result<PreparedSnapshot> SnapshotProducer::Prepare(const TableMetadata& base, int64_t now_ms) {
  ARROW_RETURN_NOT_OK(CheckFormat(base));
  ARROW_RETURN_NOT_OK(CheckRequest());
  ARROW_RETURN_NOT_OK(ChooseSnapshotId(base));
  ARROW_ASSIGN_OR_RAISE(const MergeOptions options, MergeOptionsOf(base));
  std::vector<ManifestFile> parents;
  if (base.CurrentSnapshot() != nullptr) {
    ARROW_ASSIGN_OR_RAISE(parents, ReadManifests(file_io_, base, *base.CurrentSnapshot()));
  }
  ARROW_ASSIGN_OR_RAISE(const LocatedFiles removed, removed_.Locate(base, parents));
  if (own_manifests_.empty()) ARROW_RETURN_NOT_OK(WriteOwnManifests(base, options));
  ARROW_ASSIGN_OR_RAISE(auto manifests, NewManifests(base, options, parents, removed));

  PreparedSnapshot prepared;
  prepared.snapshot = NewSnapshot(base, parents, removed, now_ms);
  const iceberg::Snapshot& snapshot = prepared.snapshot;
  std::set<std::string>& used = attempts_[snapshot.manifest_list];
  for (ManifestFile& manifest : manifests) {
    used.insert(manifest.manifest_path);
    if (manifest.sequence_number == iceberg::kUnassignedSequenceNumber)
      manifest.sequence_number = snapshot.sequence_number;
    if (manifest.min_sequence_number == iceberg::kUnassignedSequenceNumber) {
      manifest.min_sequence_number = snapshot.sequence_number;
    }
  }
  ARROW_ASSIGN_OR_RAISE(const std::string list, EncodeManifestList(snapshot.snapshot_id, snapshot.parent_snapshot_id,
                                                                   snapshot.sequence_number, manifests));
  ARROW_RETURN_NOT_OK(Write(snapshot.manifest_list, list));

  if (!base.table_uuid.empty()) prepared.requirements.push_back(iceberg::AssertTableUuid{base.table_uuid});
  prepared.requirements.push_back(
      iceberg::AssertRefSnapshotId{std::string(iceberg::kMainBranch), snapshot.parent_snapshot_id});
  if (base.format_version < 2) prepared.updates.push_back(iceberg::UpgradeFormatVersion{2});
  prepared.updates.push_back(iceberg::AddSnapshot{snapshot});
  iceberg::SnapshotRef main;
  const auto before = base.refs.find(std::string(iceberg::kMainBranch));
  if (before != base.refs.end()) main = before->second;  // its retention settings stay
  main.snapshot_id = snapshot.snapshot_id;
  prepared.updates.push_back(iceberg::SetSnapshotRef{std::string(iceberg::kMainBranch), main});
  return prepared;
}

Status SnapshotProducer::DeleteUnused(const PreparedSnapshot* committed) {
  std::set<std::string> used;
  if (committed != nullptr) {
    const auto attempt = attempts_.find(committed->snapshot.manifest_list);
    if (attempt == attempts_.end()) {
      return MakeError(ErrorKind::kFailed, "not a snapshot of this producer: " + committed->snapshot.manifest_list);
    }
    used = attempt->second;
    used.insert(attempt->first);
  }
  Status result;
  for (auto location = written_.begin(); location != written_.end();) {
    const Status status = used.count(*location) > 0 ? Status::OK() : file_io_.Delete(*location);
    if (!status.ok() && result.ok()) result = status;
    location = status.ok() ? written_.erase(location) : std::next(location);
  }
  if (committed == nullptr) {
    own_manifests_.clear();
    rewritten_.clear();
    attempts_.clear();
  }
  return result;
}

}  // namespace calve::table
