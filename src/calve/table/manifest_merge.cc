#include "calve/table/manifest_merge.h"

#include <algorithm>
#include <functional>
#include <iterator>
#include <map>
#include <optional>
#include <utility>

#include "calve/table/snapshot_manifests.h"

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

namespace {

// The lower bounds of a manifest's partition fields; nullopt where they are not known.
std::optional<std::vector<iceberg::Literal>> LowerBounds(const iceberg::TableMetadata& metadata,
                                                         const ManifestFile& manifest) {
  const iceberg::PartitionSpec* spec = metadata.FindSpec(manifest.partition_spec_id);
  if (spec == nullptr || !manifest.partitions || manifest.partitions->size() != spec->fields.size())
    return std::nullopt;
  const auto type = PartitionType(*spec, SchemaFor(metadata, *spec));
  if (!type.ok()) return std::nullopt;
  std::vector<iceberg::Literal> bounds;
  for (size_t i = 0; i < spec->fields.size(); ++i) {
    const auto& lower = manifest.partitions->at(i).lower_bound;
    auto bound =
        lower ? iceberg::FromBytes(type->fields[i].type, *lower) : Result<iceberg::Literal>(iceberg::Literal{});
    if (!bound.ok()) return std::nullopt;
    bounds.push_back(bound.MoveValueUnsafe());
  }
  return bounds;
}

}  // namespace

std::vector<MergeBin> PlanManifestRewrite(const iceberg::TableMetadata& metadata,
                                          std::span<const ManifestFile> manifests, const MergeOptions& options) {
  struct Small {
    ManifestFile manifest;
    std::vector<iceberg::Literal> bounds;
  };
  std::map<int, std::vector<Small>, std::greater<>> by_spec;
  std::vector<MergeBin> plan, apart;
  for (const ManifestFile& manifest : manifests) {
    const bool small = manifest.manifest_length < options.target_bytes / 4 * 3;
    auto bounds = small && CanRewriteManifest(metadata, manifest) ? LowerBounds(metadata, manifest) : std::nullopt;
    if (bounds) {
      by_spec[manifest.partition_spec_id].push_back({manifest, std::move(*bounds)});
    } else {
      apart.push_back({manifest});
    }
  }
  for (auto& [spec_id, small] : by_spec) {
    std::stable_sort(small.begin(), small.end(), [](const Small& a, const Small& b) {
      return std::lexicographical_compare(
          a.bounds.begin(), a.bounds.end(), b.bounds.begin(), b.bounds.end(),
          [](const auto& x, const auto& y) { return iceberg::CompareLiterals(x, y) < 0; });
    });
    std::vector<ManifestFile> group;
    for (Small& one : small) group.push_back(std::move(one.manifest));
    for (MergeBin& bin : PackFromTheEnd(group, options.target_bytes)) {
      if (bin.size() < kManifestRewriteMin) {
        KeepApart(std::move(bin), apart);
      } else {
        plan.push_back(std::move(bin));
      }
    }
  }
  plan.insert(plan.end(), apart.begin(), apart.end());
  return plan;
}

}  // namespace calve::table
