#include "calve/table/manifest_merge.h"

#include <algorithm>
#include <functional>
#include <iterator>
#include <map>
#include <utility>

namespace calve::table {

using iceberg::ManifestFile;

namespace {

// Packs from the end with one open bin, and returns the bins in the order of the manifests.
std::vector<MergeBin> PackFromTheEnd(const std::vector<ManifestFile>& group, int64_t target_bytes) {
  std::vector<MergeBin> bins;
  int64_t bytes = 0;
  for (auto manifest = group.rbegin(); manifest != group.rend(); ++manifest) {
    if (bins.empty() || bytes + manifest->manifest_length > target_bytes) {
      bins.emplace_back();
      bytes = 0;
    }
    bins.back().push_back(*manifest);
    bytes += manifest->manifest_length;
  }
  for (MergeBin& bin : bins) std::reverse(bin.begin(), bin.end());
  std::reverse(bins.begin(), bins.end());
  return bins;
}

void KeepApart(MergeBin bin, std::vector<MergeBin>& plan) {
  for (ManifestFile& manifest : bin) plan.push_back({std::move(manifest)});
}

}  // namespace

Result<MergeOptions> MergeOptionsOf(const iceberg::TableMetadata& metadata) {
  MergeOptions options;
  ARROW_ASSIGN_OR_RAISE(options.enabled, metadata.BoolProperty("commit.manifest-merge.enabled", options.enabled));
  ARROW_ASSIGN_OR_RAISE(options.count_min,
                        metadata.IntProperty("commit.manifest.min-count-to-merge", options.count_min));
  ARROW_ASSIGN_OR_RAISE(options.target_bytes,
                        metadata.IntProperty("commit.manifest.target-size-bytes", options.target_bytes));
  return options;
}

std::vector<MergeBin> PlanMerge(std::span<const ManifestFile> manifests, const MergeOptions& options) {
  std::vector<MergeBin> plan;
  if (!options.enabled || manifests.empty()) {
    KeepApart(MergeBin(manifests.begin(), manifests.end()), plan);
    return plan;
  }
  const std::string& newest = manifests.front().manifest_path;
  std::map<int, std::vector<ManifestFile>, std::greater<>> groups;
  for (const ManifestFile& manifest : manifests) {
    groups[manifest.partition_spec_id].push_back(manifest);
  }
  for (const auto& [spec_id, group] : groups) {
    for (MergeBin& bin : PackFromTheEnd(group, options.target_bytes)) {
      const bool has_newest = bin.front().manifest_path == newest;
      if (has_newest && static_cast<int64_t>(bin.size()) < options.count_min) {
        KeepApart(std::move(bin), plan);
      } else {
        plan.push_back(std::move(bin));
      }
    }
  }
  return plan;
}

}  // namespace calve::table
