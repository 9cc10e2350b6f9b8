// Removes what crashed writers left in a table's folders, as Iceberg's remove_orphan_files does.
#pragma once

#include <string>
#include <vector>

#include "calve/base/progress.h"
#include "calve/base/stop.h"
#include "calve/base/time.h"
#include "calve/catalog/catalog.h"
#include "calve/maintain/orphans.h"

namespace calve::maintain {

// Spark's default, and the age below which its procedure refuses to work: nothing but age tells a dead writer's files
// from those of a running one, which are referred to only once its commit lands.
inline constexpr int64_t kOrphanAgeMs = 3 * 86'400'000LL;
inline constexpr int64_t kOrphanAgeMinMs = 86'400'000LL;

struct OrphanRequest {
  catalog::TableIdent ident;
  // Data and metadata paths outside the table's location are looked at only below it; empty: not at all.
  std::string warehouse;
  int64_t age_min_ms = kOrphanAgeMs;
  bool dry_run = false;
  ProgressSink* progress = nullptr;  // null: nobody looks
};

struct OrphanReport {
  OrphanPlan plan;
  std::vector<std::string> folders;  // that were looked through
  std::vector<std::string> notes;    // folders that were not, and why
  int64_t files_deleted = 0;
  int64_t bytes_deleted = 0;
  int64_t uploads = 0;   // to an object store, of the same age and never finished: aborted, or found by a dry run
  Status first_failure;  // of a file that could not be deleted; the others were
};

// Lists the folders first and reads the table afterwards, so that a commit that lands in between is seen. Referred to
// are: the current metadata file and the files of its log, statistics, and of every snapshot in the metadata (of any
// branch or tag, or of none) its manifest list, its manifests and their live entries. What only older metadata files
// name belonged to snapshots that were expired, and goes. Where anything of that cannot be read, nothing is deleted
// and the error is returned. kConfig for a table with gc.enabled=false and for folders that another table has, too.
Result<OrphanReport> RemoveOrphans(catalog::Catalog& catalog, storage::FileIO& file_io, const Clock& clock,
                                   const StopToken& stop, const OrphanRequest& request);

// What the metadata refers to; `metadata_location` is its own file.
Result<References> CollectReferences(storage::FileIO& file_io, const iceberg::TableMetadata& metadata,
                                     const std::string& metadata_location, ProgressSink* progress = nullptr);

}  // namespace calve::maintain
