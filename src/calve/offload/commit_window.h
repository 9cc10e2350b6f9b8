// One window's files into the target table: watermark and rows in one snapshot, tried until its outcome is known.
#pragma once

#include <optional>
#include <vector>

#include "calve/base/stop.h"
#include "calve/catalog/catalog.h"
#include "calve/iceberg/data_file.h"
#include "calve/offload/watermark.h"
#include "calve/table/commit_retry.h"

namespace calve::offload {

struct WindowCommit {
  catalog::TableIdent ident;
  catalog::LoadedTable planned_on;              // the table as the window was planned on
  std::optional<TimestampMicros> planned_from;  // its watermark then
  std::vector<iceberg::DataFile> files;
  CommitStamp stamp;
  std::vector<iceberg::DataFile> removed = {};  // files of planned_on's current snapshot that `files` replace
  // For rows that any other commit of calve's may hold as well (late rows): the newest of them when this was planned.
  std::optional<std::string> planned_commit = std::nullopt;
  // Of manifests' names, where several processes may commit the same at once; empty: the commit's id.
  std::string file_prefix = {};
  // For the first window of a table that others had filled: where it begins.
  std::optional<TimestampMicros> start_from = std::nullopt;
};

enum class CommitOutcome {
  kCommitted,
  kLostRace,    // somebody else moved the watermark first; our snapshot is proven not to be in
  kRolledBack,  // it was in, and somebody moved main away from it: its snapshot still holds the files
};

struct CommittedWindow {
  CommitOutcome outcome = CommitOutcome::kCommitted;
  int64_t snapshot_id = 0;
  bool outcome_was_unknown = false;  // at least one try: then files must not be deleted even after kLostRace
};

using table::Sleep;

// The retry limits are the table's commit.retry.* properties. kUnknownOutcome: it could not be found out within the
// limits whether the snapshot is in; nothing was deleted and the next run will see. kConflict: `removed` can no longer
// be replaced (table/removed_files.h), so what replaces them has to be made anew. Other errors: proven not to be in,
// unless `outcome_was_unknown` of an earlier try says otherwise (then kUnknownOutcome is returned instead).
Result<CommittedWindow> CommitWindow(catalog::Catalog& catalog, storage::FileIO& file_io, const Clock& clock,
                                     const WindowCommit& commit, const Sleep& sleep);

// The same, with sleeps, and with the files deleted where it is proven that no snapshot holds them. nullopt: the race
// was lost; plan anew. kFailed where main was moved away from it.
Result<std::optional<CommittedWindow>> CommitOrDelete(catalog::Catalog& catalog, storage::FileIO& file_io,
                                                      const Clock& clock, const WindowCommit& commit);

}  // namespace calve::offload
