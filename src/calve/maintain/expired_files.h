// The files that only expired snapshots of a table refer to.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "calve/base/stop.h"
#include "calve/iceberg/data_file.h"
#include "calve/iceberg/table_metadata.h"
#include "calve/storage/file_io.h"

namespace calve::maintain {

enum class FileRole { kData, kDeletes, kStatistics, kManifest, kManifestList };

struct ExpiredFile {
  std::string location;
  FileRole role = FileRole::kData;
  int64_t bytes = 0;  // 0 where nothing tells: of manifest lists and statistics
};

// Not thread-safe. Both must outlive it.
class ExpiredFiles {
 public:
  ExpiredFiles(storage::FileIO& file_io, const StopToken& stop) : file_io_(file_io), stop_(stop) {}

  // What these snapshots of the table refer to and the others, statistics and the metadata itself do not, by any
  // spelling of a location. An error where anything of a snapshot that stays cannot be read; a manifest list or
  // manifest of an expired one that is gone is passed over with a note: what it told of is left to orphan removal.
  Status Find(const iceberg::TableMetadata& metadata, const std::set<int64_t>& expired);
  // Takes out what `after` refers to and `before`, whose snapshots were looked at, does not.
  Status KeepNew(const iceberg::TableMetadata& before, const iceberg::TableMetadata& after);

  // Data files first and manifest lists last: of what a death leaves, the rest can still be told.
  std::vector<ExpiredFile> InOrder() const;
  const std::vector<std::string>& notes() const { return notes_; }

 private:
  using Manifests = std::map<std::string, iceberg::ManifestFile>;  // by path

  Status Collect(const iceberg::TableMetadata& metadata, const iceberg::Snapshot& snapshot, Manifests& manifests);
  Status PutEntries(const iceberg::TableMetadata& metadata, const iceberg::ManifestFile& manifest);
  Status Keep(const iceberg::TableMetadata& metadata, const Manifests& manifests);
  void Put(const std::string& location, FileRole role, int64_t bytes);
  void Drop(const std::string& location);
  // OK, with a note, where the file is gone.
  Status Note(const Status& status);

  storage::FileIO& file_io_;
  const StopToken& stop_;
  std::map<std::string, ExpiredFile> files_;  // by PathKey
  std::vector<std::string> notes_;
};

}  // namespace calve::maintain
