#include "calve/table/snapshot_summary.h"

#include <charconv>
#include <optional>
#include <set>
#include <utility>

namespace calve::table {

using iceberg::DataFile;
using iceberg::ManifestContent;
using iceberg::ManifestFile;

namespace {

std::optional<int64_t> CountIn(const std::map<std::string, std::string>& summary, const char* key) {
  const auto found = summary.find(key);
  if (found == summary.end()) return std::nullopt;
  int64_t value = 0;
  const char* end = found->second.data() + found->second.size();
  const auto parsed = std::from_chars(found->second.data(), end, value);
  if (parsed.ec != std::errc() || parsed.ptr != end || value < 0) return std::nullopt;
  return value;
}

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

int64_t ChangedPartitions(std::span<const DataFile> files, const iceberg::TableMetadata& base) {
  std::set<std::pair<int, std::string>> partitions;
  for (const DataFile& file : files) {
    const iceberg::PartitionSpec* spec = base.FindSpec(file.spec_id);
    partitions.emplace(file.spec_id, spec ? PartitionPath(*spec, base.schema(), file.partition) : std::string());
  }
  return static_cast<int64_t>(partitions.size());
}

}  // namespace

std::map<std::string, std::string> AppendSummary(const std::map<std::string, std::string>& extra,
                                                 std::span<const DataFile> files, const iceberg::TableMetadata& base,
                                                 const iceberg::Snapshot* parent,
                                                 std::span<const ManifestFile> parent_manifests) {
  int64_t records = 0;
  int64_t bytes = 0;
  for (const DataFile& file : files) {
    records += file.record_count;
    bytes += file.file_size_in_bytes;
  }
  const auto count = static_cast<int64_t>(files.size());
  std::map<std::string, std::string> summary = extra;
  summary["operation"] = "append";
  summary["changed-partition-count"] = std::to_string(ChangedPartitions(files, base));
  // As Java writes them: an added-* of zero is left out.
  const auto added = [&](const char* key, int64_t value) {
    summary.erase(key);
    if (value > 0) summary[key] = std::to_string(value);
  };
  added("added-data-files", count);
  added("added-records", records);
  added("added-files-size", bytes);

  const LiveCounts live = CountLive(parent_manifests);
  const bool no_deletes = live.delete_files == 0;
  const auto total = [&](const char* key, int64_t more, std::optional<int64_t> from_manifests) {
    std::optional<int64_t> before = 0;
    if (parent != nullptr) {
      before = CountIn(parent->summary, key);
      if (!before) before = from_manifests;
    }
    summary.erase(key);
    if (before) summary[key] = std::to_string(*before + more);
  };
  total("total-data-files", count, live.data_files);
  total("total-records", records, live.records);
  total("total-files-size", bytes, ZeroIf(no_deletes && live.data_files == 0));
  total("total-delete-files", 0, live.delete_files);
  total("total-position-deletes", 0, ZeroIf(no_deletes));
  total("total-equality-deletes", 0, ZeroIf(no_deletes));
  return summary;
}

}  // namespace calve::table
