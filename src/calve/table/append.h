// Appending data files to a table: one snapshot, manifests merged, as Java's MergeAppend does.
// Spec: "Snapshots", "Manifest Lists", "Optimistic Concurrency".
#pragma once

#include <map>
#include <string>
#include <vector>

#include "calve/catalog/catalog.h"
#include "calve/iceberg/data_file.h"

namespace calve::table {

struct AppendRequest {
  std::vector<iceberg::DataFile> files;           // all of the table's default spec; may be empty (an empty window)
  std::map<std::string, std::string> summary;     // extra snapshot summary entries (calve.*)
  std::string commit_id;                          // a UUID, part of the names of the manifests written
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

  // Plans on `base` (reads its manifest list; merges small manifests under commit.manifest.* of its properties) and writes what is
  // new: manifests of our own files are written once and reused by later attempts, the manifest list is written anew each time.
  Result<PreparedSnapshot> Prepare(const iceberg::TableMetadata& base, int64_t now_ms);

  // Deletes what attempts wrote and `committed` does not use. Only after a proven outcome; never after kUnknownOutcome.
  Status DeleteUnused(const PreparedSnapshot* committed);

 private:
  storage::FileIO& file_io_;
  AppendRequest request_;
  std::vector<iceberg::ManifestFile> own_manifests_;
  std::vector<std::string> written_;
};

}  // namespace calve::table
