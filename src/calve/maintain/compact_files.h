// Writes a table's small data files anew as fewer large ones, as Iceberg's rewrite_data_files does.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "calve/base/progress.h"
#include "calve/base/stop.h"
#include "calve/maintain/compaction.h"
#include "calve/maintain/replace_commit.h"

namespace calve::maintain {

struct CompactionRequest {
  catalog::TableIdent ident;
  std::optional<int64_t> target_bytes = std::nullopt;  // else the table's write.target-file-size-bytes, or 512 MB
  size_t files_min = kCompactFilesMin;
  int64_t memory_bytes = 512 << 20;
  // Groups are committed together until they hold so much; what is not committed is lost with a death.
  int64_t commit_bytes = 4LL << 30;
  bool dry_run = false;
  ProgressSink* progress = nullptr;  // null: nobody looks
};

struct CompactionReport {
  CompactionPlan plan;  // its groups are empty once they are done
  int64_t groups = 0;   // to be compacted
  int64_t groups_done = 0;
  int64_t groups_lost = 0;                       // thrown away: other writers changed their files meanwhile
  int64_t files_removed = 0, bytes_removed = 0;  // by a dry run: that would be
  int64_t files_added = 0, bytes_added = 0;
  int64_t rows = 0;
  int64_t rows_deleted = 0;  // that delete files had taken out, and that are no longer stored
  std::vector<int64_t> snapshot_ids;
  std::vector<std::string> notes;
};

// Plans on the current snapshot. The new files get its sequence number: equality deletes that come meanwhile apply to
// them as to the old ones; position deletes, and files that go meanwhile, cost their group (its files are deleted, the
// others go on). kUnknownOutcome: nothing of that commit was deleted. kUnsupported for v3 tables.
Result<CompactionReport> CompactFiles(catalog::Catalog& catalog, storage::FileIO& file_io, const Clock& clock,
                                      const StopToken& stop, const CompactionRequest& request,
                                      const table::Sleep& sleep = table::SleepFor);

}  // namespace calve::maintain
