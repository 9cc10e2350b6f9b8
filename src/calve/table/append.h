// Appending data files to a table: one snapshot, manifests merged, as Java's MergeAppend does.
// Spec: "Snapshots", "Manifest Lists", "Optimistic Concurrency".
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "calve/catalog/catalog.h"
#include "calve/iceberg/data_file.h"
#include "calve/table/manifest_merge.h"

namespace calve::table {

struct AppendRequest {
  std::vector<iceberg::DataFile> files;  // each of the spec that its spec_id names; may be empty (an empty window)
  std::map<std::string, std::string> summary;  // extra snapshot summary entries (calve.*)
  std::string commit_id;                       // a UUID, part of the names of the manifests written
};

struct PreparedSnapshot {
  iceberg::Snapshot snapshot;
  std::vector<iceberg::TableRequirement> requirements;  // table uuid; ref main is as planned from
  std::vector<iceberg::TableUpdate> updates;            // add-snapshot, set-snapshot-ref main
};

// One append over any number of attempts. Not thread-safe. It writes manifests and manifest lists; it never commits and
// never decides whether to retry: the caller does. `file_io` must outlive it.
class Append {
 public:
  Append(storage::FileIO& file_io, AppendRequest request);

  // Plans on `base` (reads its manifest list; merges small manifests under commit.manifest.* of its properties) and
  // writes what is new: manifests of our own files are written once and reused by later attempts, the manifest list is
  // written anew each time. All attempts make the same snapshot id. kAlreadyExists where `base` has it: an earlier
  // attempt is in.
  Result<PreparedSnapshot> Prepare(const iceberg::TableMetadata& base, int64_t now_ms);

  // Deletes what attempts wrote and `committed` does not use; everything where it is null. Only after a proven outcome;
  // never after kUnknownOutcome.
  Status DeleteUnused(const PreparedSnapshot* committed);

 private:
  Status ChooseSnapshotId(const iceberg::TableMetadata& base);
  Status WriteOwnManifests(const iceberg::TableMetadata& base, const MergeOptions& options);
  Result<iceberg::ManifestFile> WriteManifest(const iceberg::TableMetadata& base, int spec_id,
                                              const std::vector<iceberg::ManifestEntry>& entries);
  Result<iceberg::ManifestFile> Merge(const iceberg::TableMetadata& base, const MergeBin& bin);
  Result<std::vector<iceberg::ManifestFile>> NewManifests(const iceberg::TableMetadata& base,
                                                          const MergeOptions& options,
                                                          const std::vector<iceberg::ManifestFile>& parents);
  Status Write(const std::string& location, const std::string& bytes);

  storage::FileIO& file_io_;
  const AppendRequest request_;

  std::optional<int64_t> snapshot_id_;
  std::vector<iceberg::ManifestFile> own_manifests_;
  // What bins became, by the paths of their manifests: a later attempt finds most of them again.
  std::map<std::vector<std::string>, iceberg::ManifestFile> merged_;
  int manifest_count_ = 0;
  int attempt_ = 0;
  std::set<std::string> written_;
  // By manifest list: the manifests in it.
  std::map<std::string, std::set<std::string>> attempts_;
};

}  // namespace calve::table
