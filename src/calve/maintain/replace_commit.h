// A snapshot of the operation "replace" into the table: the same rows, held otherwise. It moves no watermark, so that a
// window of calve's, or another engine's commit, that comes first only makes it try again.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "calve/base/time.h"
#include "calve/catalog/catalog.h"
#include "calve/table/commit_retry.h"
#include "calve/table/snapshot_producer.h"

namespace calve::maintain {

struct ReplaceCommit {
  catalog::TableIdent ident;
  catalog::LoadedTable planned_on;
  table::SnapshotRequest request;  // without `replace`, `commit_id` and the calve.* keys
  std::string kind;                // calve.kind: "compact", "rewrite-manifests"
  std::string commit_id;           // a UUID
  std::string file_id = "";        // of the names of manifests, where that is not the commit's id
  // Asked of the table before each later try; false: nothing is left to do. Null: always.
  std::function<Result<bool>(const iceberg::TableMetadata&)> still_wanted = nullptr;
};

// The snapshot's id; nullopt where nothing was left to do. kConflict: what was to be replaced is not what it was, or
// the tries are used up; it is proven not to be in, and so with all other errors but kUnknownOutcome. What was written
// for it in the metadata folder is deleted then; files of the request are the caller's.
Result<std::optional<int64_t>> CommitReplacement(catalog::Catalog& catalog, storage::FileIO& file_io,
                                                 const Clock& clock, const ReplaceCommit& commit,
                                                 const table::Sleep& sleep);

}  // namespace calve::maintain
