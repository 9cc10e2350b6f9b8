// Which manifests a commit rewrites into one: the plan of Java's ManifestMergeManager, as a function of values.
#pragma once

#include <span>
#include <vector>

#include "calve/iceberg/data_file.h"
#include "calve/iceberg/table_metadata.h"

namespace calve::table {

// Table properties commit.manifest-merge.enabled, commit.manifest.min-count-to-merge,
// commit.manifest.target-size-bytes.
struct MergeOptions {
  bool enabled = true;
  int64_t count_min = 100;
  int64_t target_bytes = 8'388'608;
};

// kConfig where a property does not parse.
Result<MergeOptions> MergeOptionsOf(const iceberg::TableMetadata& metadata);

// Manifests that become one, or a single one that stays as it is.
using MergeBin = std::vector<iceberg::ManifestFile>;

// `manifests` are a snapshot's manifests of data files that can be rewritten, newest first; the first one is new. Bins
// hold one spec each and at most target_bytes (or a single manifest), and keep the order; they fill from the oldest
// end, so that the newest bin is the one left partly filled. The bin with the new manifest is merged when it holds
// count_min manifests, older bins when they hold two. Encrypted manifests (key_metadata) stay as they are.
std::vector<MergeBin> PlanMerge(std::span<const iceberg::ManifestFile> manifests, const MergeOptions& options);

// From so many on, small manifests (below three quarters of the target) are worth writing anew.
inline constexpr size_t kManifestRewriteMin = 5;

// What a rewrite of a snapshot's manifests of data files makes of them: of each spec the small ones, in the order of
// their partitions, in bins of at most target_bytes; every other manifest by itself, in its place. Bins of less than
// kManifestRewriteMin stay apart.
std::vector<MergeBin> PlanManifestRewrite(const iceberg::TableMetadata& metadata,
                                          std::span<const iceberg::ManifestFile> manifests,
                                          const MergeOptions& options);

}  // namespace calve::table
