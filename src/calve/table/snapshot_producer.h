// A new snapshot: data files added, data files removed (copy-on-write), manifests merged, as Java's
// MergingSnapshotProducer makes one. Spec: "Snapshots", "Manifest Lists", "Optimistic Concurrency".
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "calve/catalog/catalog.h"
#include "calve/iceberg/data_file.h"
#include "calve/table/manifest_merge.h"
#include "calve/table/removed_files.h"

namespace calve::table {

struct SnapshotRequest {
  std::vector<iceberg::DataFile> added;    // each of the spec that its spec_id names; may be empty (an empty window)
  std::vector<iceberg::DataFile> removed;  // as read from the snapshot planned on; known by their paths
  std::map<std::string, std::string> summary;                 // extra snapshot summary entries (calve.*)
  std::string commit_id;                                      // a UUID, part of the names of the manifests written
  std::optional<int64_t> planned_snapshot_id = std::nullopt;  // needed where files are removed, else of no meaning
  bool replace = false;  // the same rows in other files or manifests: the operation is "replace"
  // Of the files added, where they are to be as old as the rows in them: delete files that came since apply to them, so
  // equality deletes that came after the snapshot planned on are no conflict (Java's useStartingSequenceNumber).
  std::optional<int64_t> data_sequence_number = std::nullopt;
  bool rewrite_manifests = false;  // by PlanManifestRewrite, entries in the order of their partitions
};

struct PreparedSnapshot {
  iceberg::Snapshot snapshot;
  std::vector<iceberg::TableRequirement> requirements;  // table uuid; ref main is as planned from
  std::vector<iceberg::TableUpdate> updates;            // add-snapshot, set-snapshot-ref main
};

// One snapshot over any number of attempts: an "append", an "overwrite" (files added and removed), a "delete" (files
// removed only) or a "replace". Not thread-safe. It writes manifests and manifest lists; it never commits and
// never decides whether to retry: the caller does. `file_io` must outlive it.
class SnapshotProducer {
 public:
  SnapshotProducer(storage::FileIO& file_io, SnapshotRequest request);

  // Plans on `base` (reads its manifest list; merges small manifests under commit.manifest.* of its properties) and
  // writes what is new: manifests of our own files are written once and reused by later attempts, the manifest list is
  // written anew each time. All attempts make the same snapshot id. kAlreadyExists where `base` has it: an earlier
  // attempt is in. Manifests that hold removed files are rewritten (the files' entries DELETED, others EXISTING, all
  // with their sequence numbers); manifests of delete files stay. kConflict where the removed files can no longer be
  // replaced (removed_files.h says when): then no attempt on a later base will do, and the caller plans anew.
  Result<PreparedSnapshot> Prepare(const iceberg::TableMetadata& base, int64_t now_ms);

  // Deletes what attempts wrote and `committed` does not use; everything where it is null. Only after a proven outcome;
  // never after kUnknownOutcome.
  Status DeleteUnused(const PreparedSnapshot* committed);

 private:
  Status CheckRequest() const;
  Status ChooseSnapshotId(const iceberg::TableMetadata& base);
  Status WriteOwnManifests(const iceberg::TableMetadata& base, const MergeOptions& options);
  Result<iceberg::ManifestFile> WriteManifest(const iceberg::TableMetadata& base, int spec_id,
                                              const std::vector<iceberg::ManifestEntry>& entries);
  Result<iceberg::ManifestFile> Rewrite(const iceberg::TableMetadata& base, const MergeBin& bin);
  Result<std::vector<iceberg::ManifestFile>> NewManifests(const iceberg::TableMetadata& base,
                                                          const MergeOptions& options,
                                                          const std::vector<iceberg::ManifestFile>& parents,
                                                          const LocatedFiles& removed);
  iceberg::Snapshot NewSnapshot(const iceberg::TableMetadata& base, const std::vector<iceberg::ManifestFile>& parents,
                                const LocatedFiles& removed, int64_t now_ms);
  Status Write(const std::string& location, const std::string& bytes);

  storage::FileIO& file_io_;
  const SnapshotRequest request_;
  RemovedFiles removed_;

  std::optional<int64_t> snapshot_id_;
  std::vector<iceberg::ManifestFile> own_manifests_;
  // What bins became, by the paths of their manifests: a later attempt finds most of them again.
  std::map<std::vector<std::string>, iceberg::ManifestFile> rewritten_;
  int manifest_count_ = 0;
  int attempt_ = 0;
  std::set<std::string> written_;
  // By manifest list: the manifests in it.
  std::map<std::string, std::set<std::string>> attempts_;
};

}  // namespace calve::table
