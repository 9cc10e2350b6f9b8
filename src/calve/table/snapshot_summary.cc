#include "calve/table/snapshot_summary.h"

#include <charconv>
#include <optional>
#include <set>
#include <utility>

namespace calve::table {

using iceberg::DataFile;
using iceberg::ManifestContent;
using iceberg::ManifestFile;

std::optional<int64_t> SummaryCount(const iceberg::StringMap& summary, const char* key) {
  const auto found = summary.find(key);
  if (found == summary.end()) return std::nullopt;
  int64_t value = 0;
  const char* end = found->second.data() + found->second.size();
  const auto parsed = std::from_chars(found->second.data(), end, value);
  if (parsed.ec != std::errc() || parsed.ptr != end || value < 0) return std::nullopt;
  return value;
}

namespace {

// What manifests tell about a snapshot without being read: live files of either content and rows.
struct LiveCounts {
  int64_t data_files = 0;
  int64_t records = 0;
  int64_t delete_files = 0;
};

LiveCounts CountLive(std::span<const ManifestFile> manifests) {
  LiveCounts live;
  for (const ManifestFile& manifest : manifests) {
    const int64_t files = manifest.added_files_count.value_or(0) + manifest.existing_files_count.value_or(0);
    if (manifest.content == ManifestContent::kDeletes) {
      live.delete_files += files;
    } else {
      live.data_files += files;
      live.records += manifest.added_rows_count.value_or(0) + manifest.existing_rows_count.value_or(0);
    }
  }
  return live;
}

std::optional<int64_t> ZeroIf(bool none) { return none ? std::optional<int64_t>(0) : std::nullopt; }

int64_t ChangedPartitions(std::span<const DataFile> added, std::span<const DataFile> removed,
                          const iceberg::TableMetadata& base) {
  std::set<std::pair<int, std::string>> partitions;
  for (const auto files : {added, removed}) {
    for (const DataFile& file : files) {
      const iceberg::PartitionSpec* spec = base.FindSpec(file.spec_id);
      partitions.emplace(file.spec_id, spec ? PartitionPath(*spec, base.schema(), file.partition) : std::string());
    }
  }
  return static_cast<int64_t>(partitions.size());
}

struct FileCounts {
  int64_t files = 0;
  int64_t records = 0;
  int64_t bytes = 0;
};

FileCounts Count(std::span<const DataFile> files) {
  FileCounts counts{static_cast<int64_t>(files.size()), 0, 0};
  for (const DataFile& file : files) {
    counts.records += file.record_count;
    counts.bytes += file.file_size_in_bytes;
  }
  return counts;
}

}  // namespace

std::map<std::string, std::string> SnapshotSummary(const std::map<std::string, std::string>& extra,
                                                   std::span<const DataFile> added, std::span<const DataFile> removed,
                                                   const iceberg::TableMetadata& base, const iceberg::Snapshot* parent,
                                                   std::span<const ManifestFile> parent_manifests) {
  const FileCounts more = Count(added);
  const FileCounts less = Count(removed);
  std::map<std::string, std::string> summary = extra;
  summary["operation"] = removed.empty() ? "append" : added.empty() ? "delete" : "overwrite";
  summary["changed-partition-count"] = std::to_string(ChangedPartitions(added, removed, base));
  // As Java writes them: a change of zero is left out.
  const auto change = [&](const char* key, int64_t value) {
    summary.erase(key);
    if (value > 0) summary[key] = std::to_string(value);
  };
  change("added-data-files", more.files);
  change("added-records", more.records);
  change("added-files-size", more.bytes);
  change("deleted-data-files", less.files);
  change("deleted-records", less.records);
  change("removed-files-size", less.bytes);

  const LiveCounts live = CountLive(parent_manifests);
  const bool no_deletes = live.delete_files == 0;
  const auto total = [&](const char* key, int64_t net, std::optional<int64_t> from_manifests) {
    std::optional<int64_t> before = 0;
    if (parent != nullptr) {
      before = SummaryCount(parent->summary, key);
      if (!before) before = from_manifests;
    }
    summary.erase(key);
    // Less than nothing: the parent's total was wrong.
    if (before && *before + net >= 0) summary[key] = std::to_string(*before + net);
  };
  total("total-data-files", more.files - less.files, live.data_files);
  total("total-records", more.records - less.records, live.records);
  total("total-files-size", more.bytes - less.bytes, ZeroIf(no_deletes && live.data_files == 0));
  total("total-delete-files", 0, live.delete_files);
  total("total-position-deletes", 0, ZeroIf(no_deletes));
  total("total-equality-deletes", 0, ZeroIf(no_deletes));
  return summary;
}

}  // namespace calve::table
