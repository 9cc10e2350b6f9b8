// The data files that a snapshot takes out of a table: where they are, and whether they may still go.
// Spec: "Optimistic Concurrency"; Java's MergingSnapshotProducer, validateNoNewDeletesForDataFiles.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "calve/iceberg/data_file.h"
#include "calve/iceberg/table_metadata.h"
#include "calve/storage/file_io.h"

namespace calve::table {

// The files' live entries in one snapshot.
struct LocatedFiles {
  std::set<std::string> manifests;              // paths of the manifests that hold them
  std::vector<iceberg::ManifestEntry> entries;  // without metrics
};

// Not thread-safe. Remembers what is in the manifests that it has read: they never change. `file_io` must outlive it.
class RemovedFiles {
 public:
  // `planned_snapshot_id`: the snapshot in which the files were read.
  // `ignore_equality_deletes`: what replaces them keeps their age, so that those that came since apply to it as well.
  RemovedFiles(storage::FileIO& file_io, std::span<const iceberg::DataFile> files,
               std::optional<int64_t> planned_snapshot_id, bool ignore_equality_deletes = false);

  bool empty() const { return paths_.empty(); }
  bool Contains(const std::string& path) const { return paths_.contains(path); }

  // Finds them in the current snapshot of `base`, whose manifests are given. Manifests are chosen by their partition
  // summaries; the others are read only where a file was not found in those. kConflict where the files cannot be
  // replaced any more by what was made of them:
  //   the snapshot planned on is no ancestor of the base's (main was rolled back, or it was expired: then nobody can
  //   tell what happened since);
  //   a file is not live in the base: somebody else deleted or rewrote it;
  //   delete files that apply to one of them were added since: its rows would come back.
  Result<LocatedFiles> Locate(const iceberg::TableMetadata& base, std::span<const iceberg::ManifestFile> manifests);

 private:
  Result<int64_t> PlannedSequenceNumber(const iceberg::TableMetadata& base) const;
  bool MayBeIn(const iceberg::TableMetadata& base, const iceberg::ManifestFile& manifest) const;
  Status LookInto(const iceberg::TableMetadata& base, const iceberg::ManifestFile& manifest, LocatedFiles& located);
  Status CheckNewDeletes(const iceberg::TableMetadata& base, std::span<const iceberg::ManifestFile> manifests,
                         int64_t planned_sequence_number, const LocatedFiles& located) const;

  storage::FileIO& file_io_;
  const std::optional<int64_t> planned_snapshot_id_;
  const bool ignore_equality_deletes_;
  std::set<std::string> paths_;
  std::map<int, std::vector<std::vector<iceberg::Literal>>> partitions_;    // by spec
  std::map<std::string, std::vector<iceberg::ManifestEntry>> looked_into_;  // by manifest
};

}  // namespace calve::table
