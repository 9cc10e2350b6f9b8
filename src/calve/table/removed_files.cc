#include "calve/table/removed_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "calve/table/scan_deletes.h"
#include "calve/table/snapshot_manifests.h"

namespace calve::table {

using iceberg::DataFile;
using iceberg::EntryStatus;
using iceberg::Literal;
using iceberg::ManifestContent;
using iceberg::ManifestEntry;
using iceberg::ManifestFile;
using iceberg::TableMetadata;

namespace {

constexpr const char* kPlanAnew = "Run again: what is replaced is read anew.";

// What says where a file is and how large: entries are kept for as long as attempts are made.
DataFile WithoutMetrics(const DataFile& file) {
  DataFile bare;
  bare.content = file.content;
  bare.file_path = file.file_path;
  bare.spec_id = file.spec_id;
  bare.partition = file.partition;
  bare.record_count = file.record_count;
  bare.file_size_in_bytes = file.file_size_in_bytes;
  return bare;
}

// Whether a manifest with this summary may hold files of this partition value: "yes" where it cannot be told.
bool MayHold(const iceberg::FieldSummary& summary, const iceberg::Type& type, const Literal& value) {
  if (iceberg::IsNull(value)) return summary.contains_null;
  if (std::holds_alternative<float>(value) || std::holds_alternative<double>(value)) return true;  // NaN has no bounds
  if (!summary.lower_bound || !summary.upper_bound) return false;
  const auto lower = iceberg::FromBytes(type, *summary.lower_bound);
  const auto upper = iceberg::FromBytes(type, *summary.upper_bound);
  if (!lower.ok() || !upper.ok() || lower->index() != value.index() || upper->index() != value.index()) return true;
  return iceberg::CompareLiterals(*lower, value) <= 0 && iceberg::CompareLiterals(value, *upper) <= 0;
}

}  // namespace

RemovedFiles::RemovedFiles(storage::FileIO& file_io, std::span<const DataFile> files,
                           std::optional<int64_t> planned_snapshot_id, bool ignore_equality_deletes)
    : file_io_(file_io), planned_snapshot_id_(planned_snapshot_id), ignore_equality_deletes_(ignore_equality_deletes) {
  for (const DataFile& file : files) {
    paths_.insert(file.file_path);
    auto& partitions = partitions_[file.spec_id];
    if (std::find(partitions.begin(), partitions.end(), file.partition) == partitions.end()) {
      partitions.push_back(file.partition);
    }
  }
}

Result<int64_t> RemovedFiles::PlannedSequenceNumber(const TableMetadata& base) const {
  const iceberg::Snapshot* snapshot = base.CurrentSnapshot();
  // Bounded, should a chain of parents in damaged metadata lead back to itself.
  for (size_t i = 0; snapshot != nullptr && i < base.snapshots.size(); ++i) {
    if (snapshot->snapshot_id == planned_snapshot_id_) return snapshot->sequence_number;
    snapshot = base.ParentOf(*snapshot);
  }
  return MakeError(
      ErrorKind::kConflict,
      fmt::format("snapshot {}, whose files are to be replaced, is no ancestor of the table's current snapshot: "
                  "main was rolled back, or the snapshot was expired",
                  planned_snapshot_id_.value_or(0)),
      kPlanAnew);
}

bool RemovedFiles::MayBeIn(const TableMetadata& base, const ManifestFile& manifest) const {
  const auto partitions = partitions_.find(manifest.partition_spec_id);
  if (partitions == partitions_.end()) return false;
  const iceberg::PartitionSpec* spec = base.FindSpec(manifest.partition_spec_id);
  if (spec == nullptr || !manifest.partitions || manifest.partitions->size() != spec->fields.size()) return true;
  const auto type = PartitionType(*spec, SchemaFor(base, *spec));
  if (!type.ok()) return true;
  return std::any_of(partitions->second.begin(), partitions->second.end(), [&](const std::vector<Literal>& values) {
    if (values.size() != spec->fields.size()) return true;
    for (size_t i = 0; i < values.size(); ++i) {
      if (!MayHold(manifest.partitions->at(i), type->fields[i].type, values[i])) return false;
    }
    return true;
  });
}

Status RemovedFiles::LookInto(const TableMetadata& base, const ManifestFile& manifest, LocatedFiles& located) {
  auto known = looked_into_.find(manifest.manifest_path);
  if (known == looked_into_.end()) {
    ARROW_ASSIGN_OR_RAISE(auto entries, ReadEntries(file_io_, base, manifest));
    std::vector<ManifestEntry> found;
    for (ManifestEntry& entry : entries) {
      if (entry.status == EntryStatus::kDeleted || !Contains(entry.data_file.file_path)) continue;
      entry.data_file = WithoutMetrics(entry.data_file);
      found.push_back(std::move(entry));
    }
    known = looked_into_.emplace(manifest.manifest_path, std::move(found)).first;
  }
  if (known->second.empty()) return Status::OK();
  located.manifests.insert(manifest.manifest_path);
  located.entries.insert(located.entries.end(), known->second.begin(), known->second.end());
  return Status::OK();
}

// Every delete file that came with a later snapshot, whatever number its rows have: one that was rewritten, with what
// it deletes unchanged, is taken for a conflict as well. That costs a new plan and no row.
Status RemovedFiles::CheckNewDeletes(const TableMetadata& base, std::span<const ManifestFile> manifests,
                                     int64_t planned_sequence_number, const LocatedFiles& located) const {
  DeleteIndex added(base);
  for (const ManifestFile& manifest : manifests) {
    if (manifest.content != ManifestContent::kDeletes || !HasLiveFiles(manifest)) continue;
    if (manifest.sequence_number <= planned_sequence_number) continue;
    ARROW_ASSIGN_OR_RAISE(auto entries, ReadEntries(file_io_, base, manifest));
    for (ManifestEntry& entry : entries) {
      const int64_t number = entry.sequence_number.value_or(manifest.sequence_number);
      const bool is_new = std::max(number, entry.file_sequence_number.value_or(number)) > planned_sequence_number;
      if (ignore_equality_deletes_ && entry.data_file.content == iceberg::FileContent::kEqualityDeletes) continue;
      if (entry.status != EntryStatus::kDeleted && is_new) added.Add(std::move(entry.data_file), number);
    }
  }
  for (const ManifestEntry& entry : located.entries) {
    const auto applying = added.For(entry.data_file, entry.sequence_number.value_or(0));
    if (applying.empty()) continue;
    return MakeError(ErrorKind::kConflict,
                     fmt::format("rows of {} may have been deleted since it was read, by {}", entry.data_file.file_path,
                                 applying.front().file_path),
                     kPlanAnew);
  }
  return Status::OK();
}

Result<LocatedFiles> RemovedFiles::Locate(const TableMetadata& base, std::span<const ManifestFile> manifests) {
  LocatedFiles located;
  if (empty()) return located;
  ARROW_ASSIGN_OR_RAISE(const int64_t planned_sequence_number, PlannedSequenceNumber(base));
  std::set<std::string> missing = paths_;
  const auto look_into = [&](const ManifestFile& manifest) -> Status {
    const size_t before = located.entries.size();
    ARROW_RETURN_NOT_OK(LookInto(base, manifest, located));
    for (size_t i = before; i < located.entries.size(); ++i) missing.erase(located.entries[i].data_file.file_path);
    return Status::OK();
  };
  std::vector<const ManifestFile*> unlikely;
  for (const ManifestFile& manifest : manifests) {
    if (manifest.content != ManifestContent::kData || !HasLiveFiles(manifest)) continue;
    if (MayBeIn(base, manifest)) {
      ARROW_RETURN_NOT_OK(look_into(manifest));
    } else {
      unlikely.push_back(&manifest);
    }
  }
  // A wrong summary must not pass for a conflict, which no new plan would end.
  for (size_t i = 0; i < unlikely.size() && !missing.empty(); ++i) ARROW_RETURN_NOT_OK(look_into(*unlikely[i]));
  if (!missing.empty()) {
    return MakeError(ErrorKind::kConflict,
                     fmt::format("{} of the {} files to replace are no longer in the table, such as {}", missing.size(),
                                 paths_.size(), *missing.begin()),
                     kPlanAnew);
  }
  ARROW_RETURN_NOT_OK(CheckNewDeletes(base, manifests, planned_sequence_number, located));
  return located;
}

}  // namespace calve::table
