// The steps of a compaction, group by group: one process takes them all, slices take the middle one anywhere.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "calve/maintain/compact_files.h"
#include "calve/maintain/group_rewrite.h"

namespace calve::maintain {

// What is to be compacted in the table as it is: the report's plan, groups and notes. No group: nothing is worth it.
// kUnsupported for tables that calve does not change.
Result<CompactionReport> PlanGroups(storage::FileIO& file_io, const iceberg::TableMetadata& metadata,
                                    const CompactionRequest& request);

struct GroupOutcome {
  std::optional<RewrittenGroup> group;  // absent: it has to stay as it is
  std::string note;                     // why
};
// As RewriteGroup; a group that became no fewer files, was expired meanwhile or cannot be read by calve is left, with
// nothing of it written.
Result<GroupOutcome> RewriteIfWorthIt(storage::FileIO& file_io, const iceberg::TableMetadata& metadata,
                                      const CompactionGroup& group, const std::string& file_prefix,
                                      int64_t memory_bytes, const StopToken& stop,
                                      const std::function<void(int64_t rows)>& on_read = nullptr);

// Leftovers of what cannot be deleted are found by orphan removal.
void DeleteAddedFiles(storage::FileIO& file_io, const RewrittenGroup& group);

// What the groups were planned on.
struct PlannedOn {
  std::string table_uuid;
  std::optional<int64_t> snapshot_id;
  std::optional<int64_t> sequence_number;  // absent: of format version 1

  static PlannedOn Of(const iceberg::TableMetadata& metadata);
};

// Puts groups that were written into the table. Not thread-safe.
class GroupCommit {
 public:
  // All but `planned` borrowed. Without `deletes`, the files of what is thrown away are left to the caller.
  GroupCommit(catalog::Catalog& catalog, storage::FileIO& file_io, const Clock& clock, const table::Sleep& sleep,
              const catalog::TableIdent& ident, PlannedOn planned, CompactionReport& report, bool deletes = true);

  void Add(RewrittenGroup group) { groups_.push_back(std::move(group)); }
  // One snapshot of all groups that can still replace their files. The others are thrown away: noted in the report,
  // their new files deleted. kUnknownOutcome: nothing was deleted. With other errors the groups stay here.
  Status Commit(const std::string& commit_id);
  // Deletes the files of what was added and is in no snapshot, nor may be.
  void DeleteRest();

 private:
  Status CommitOnce(const std::string& commit_id);
  Result<bool> DropOvertaken();
  void LoseAll(const Status& conflict);
  void Count(const RewrittenGroup& group);
  void Lose(const RewrittenGroup& group, const Status& conflict);

  catalog::Catalog& catalog_;
  storage::FileIO& file_io_;
  const Clock& clock_;
  const table::Sleep& sleep_;
  const catalog::TableIdent& ident_;
  const PlannedOn planned_;
  CompactionReport& report_;
  const bool deletes_;
  std::vector<RewrittenGroup> groups_;  // written, and not in any snapshot
};

}  // namespace calve::maintain
