#include "calve/maintain/compact_groups.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "calve/base/random.h"
#include "calve/table/removed_files.h"
#include "calve/table/snapshot_manifests.h"

namespace calve::maintain {
namespace {

constexpr int64_t kTargetBytes = 512 << 20;
constexpr int kRounds = 3;  // of as many tries as the table's commit.retry.num-retries

Status CheckMayCompact(const iceberg::TableMetadata& metadata) {
  if (metadata.format_version > 2) {
    return MakeError(ErrorKind::kUnsupported,
                     fmt::format("calve does not change tables of format version {}", metadata.format_version),
                     "Compact it with the engine that writes it.");
  }
  for (const iceberg::PartitionField& field : metadata.spec().fields) {
    if (field.transform.kind != iceberg::TransformKind::kUnknown) continue;
    return MakeError(ErrorKind::kUnsupported,
                     fmt::format("partition field '{}' has the transform '{}', which calve does not know", field.name,
                                 field.transform.unknown),
                     "Compact the table with the engine that made it.");
  }
  return Status::OK();
}

Result<CompactionRule> RuleOf(const iceberg::TableMetadata& metadata, const CompactionRequest& request) {
  CompactionRule rule;
  rule.spec_id = metadata.default_spec_id;
  rule.files_min = request.files_min;
  ARROW_ASSIGN_OR_RAISE(rule.target_bytes, metadata.IntProperty("write.target-file-size-bytes", kTargetBytes));
  rule.target_bytes = std::max<int64_t>(request.target_bytes.value_or(rule.target_bytes), 1);
  rule.small_bytes = rule.target_bytes / 4 * 3;
  rule.group_bytes_max = std::max(request.commit_bytes, rule.target_bytes);
  return rule;
}

void NoteLeft(int64_t files, const char* what, std::vector<std::string>& notes) {
  if (files > 0) notes.push_back(fmt::format("{} small files {}", files, what));
}

}  // namespace

Result<CompactionReport> PlanGroups(storage::FileIO& file_io, const iceberg::TableMetadata& metadata,
                                    const CompactionRequest& request) {
  ARROW_RETURN_NOT_OK(CheckMayCompact(metadata));
  CompactionReport report;
  if (metadata.CurrentSnapshot() == nullptr) return report;
  ARROW_ASSIGN_OR_RAISE(const CompactionRule rule, RuleOf(metadata, request));
  ARROW_ASSIGN_OR_RAISE(const auto tasks,
                        table::PlanScan(file_io, metadata, *metadata.current_snapshot_id, std::nullopt));
  report.plan = PlanCompaction(tasks, rule);
  report.groups = static_cast<int64_t>(report.plan.groups.size());
  NoteLeft(report.plan.other_specs, "of another partition spec than the table's are left as they are", report.notes);
  NoteLeft(report.plan.not_rewritable, "that are encrypted or no Parquet are left as they are", report.notes);
  return report;
}

Result<GroupOutcome> RewriteIfWorthIt(storage::FileIO& file_io, const iceberg::TableMetadata& metadata,
                                      const CompactionGroup& group, const std::string& file_prefix,
                                      int64_t memory_bytes, const StopToken& stop,
                                      const std::function<void(int64_t rows)>& on_read) {
  auto rewritten = RewriteGroup(file_io, metadata, group, file_prefix, memory_bytes, stop, on_read);
  GroupOutcome outcome;
  if (rewritten.ok() && (rewritten->added.size() < rewritten->removed.size() || rewritten->rows_deleted > 0)) {
    outcome.group = rewritten.MoveValueUnsafe();
    return outcome;
  }
  if (rewritten.ok()) {
    DeleteAddedFiles(file_io, *rewritten);
    outcome.note = fmt::format("{} files stay as they are: they became {} files; more --memory may help",
                               group.tasks.size(), rewritten->added.size());
    return outcome;
  }
  const ErrorKind kind = KindOf(rewritten.status());
  // Expired meanwhile, or of a kind that calve does not read: the others can still be done.
  if (kind != ErrorKind::kNotFound && kind != ErrorKind::kUnsupported) return rewritten.status();
  outcome.note = fmt::format("{} files stay as they are: {}", group.tasks.size(), MessageOf(rewritten.status()));
  return outcome;
}

void DeleteAddedFiles(storage::FileIO& file_io, const RewrittenGroup& group) {
  for (const iceberg::DataFile& file : group.added) {
    const Status deleted = file_io.Delete(file.file_path);
    static_cast<void>(deleted);  // leftovers are found by orphan removal
  }
}

PlannedOn PlannedOn::Of(const iceberg::TableMetadata& metadata) {
  PlannedOn planned{metadata.table_uuid, metadata.current_snapshot_id, std::nullopt};
  const iceberg::Snapshot* current = metadata.CurrentSnapshot();
  if (metadata.format_version > 1 && current != nullptr) planned.sequence_number = current->sequence_number;
  return planned;
}

GroupCommit::GroupCommit(catalog::Catalog& catalog, storage::FileIO& file_io, const Clock& clock,
                         const table::Sleep& sleep, const catalog::TableIdent& ident, PlannedOn planned,
                         CompactionReport& report, bool deletes)
    : catalog_(catalog),
      file_io_(file_io),
      clock_(clock),
      sleep_(sleep),
      ident_(ident),
      planned_(std::move(planned)),
      report_(report),
      deletes_(deletes) {}

Status GroupCommit::Commit(const std::string& commit_id) {
  for (int round = 1; !groups_.empty(); ++round) {
    const Status status = CommitOnce(commit_id);
    if (status.ok()) {
      for (const RewrittenGroup& group : groups_) Count(group);
    }
    // Of an unknown outcome the files may be in the table, now or later.
    if (status.ok() || KindOf(status) == ErrorKind::kUnknownOutcome) groups_.clear();
    if (status.ok() || KindOf(status) != ErrorKind::kConflict) return status;
    // Some of their files are not what they were. None: others were faster each time.
    ARROW_ASSIGN_OR_RAISE(const bool some, DropOvertaken());
    if (!some && (round >= kRounds || groups_.size() == 1)) LoseAll(status);
  }
  return Status::OK();
}

Status GroupCommit::CommitOnce(const std::string& commit_id) {
  ReplaceCommit commit;
  commit.ident = ident_;
  commit.kind = "compact";
  commit.commit_id = commit_id;
  commit.file_id = RandomUuid();  // a round before it, or a process that died, may have written manifests
  ARROW_ASSIGN_OR_RAISE(commit.planned_on, catalog_.LoadTable(ident_));
  if (commit.planned_on.metadata.table_uuid != planned_.table_uuid) {
    return MakeError(ErrorKind::kConflict, "the table was made anew meanwhile", "Run again.");
  }
  commit.request.planned_snapshot_id = planned_.snapshot_id;
  commit.request.data_sequence_number = planned_.sequence_number;
  for (const RewrittenGroup& group : groups_) {
    commit.request.added.insert(commit.request.added.end(), group.added.begin(), group.added.end());
    commit.request.removed.insert(commit.request.removed.end(), group.removed.begin(), group.removed.end());
  }
  ARROW_ASSIGN_OR_RAISE(const auto snapshot_id, CommitReplacement(catalog_, file_io_, clock_, commit, sleep_));
  if (snapshot_id) report_.snapshot_ids.push_back(*snapshot_id);
  return Status::OK();
}

// Whether any group was dropped.
Result<bool> GroupCommit::DropOvertaken() {
  ARROW_ASSIGN_OR_RAISE(const auto table, catalog_.LoadTable(ident_));
  const iceberg::Snapshot* current = table.metadata.CurrentSnapshot();
  std::vector<iceberg::ManifestFile> manifests;
  if (current != nullptr && table.metadata.table_uuid == planned_.table_uuid) {
    ARROW_ASSIGN_OR_RAISE(manifests, table::ReadManifests(file_io_, table.metadata, *current));
  }
  std::vector<RewrittenGroup> left;
  bool dropped = false;
  for (RewrittenGroup& group : groups_) {
    table::RemovedFiles removed(file_io_, group.removed, planned_.snapshot_id, planned_.sequence_number.has_value());
    Status located = table.metadata.table_uuid == planned_.table_uuid
                         ? removed.Locate(table.metadata, manifests).status()
                         : MakeError(ErrorKind::kConflict, "the table was made anew meanwhile");
    if (KindOf(located) == ErrorKind::kConflict && !located.ok()) {
      dropped = true;
      Lose(group, located);
    } else if (located.ok()) {
      left.push_back(std::move(group));
    } else {
      return located;
    }
  }
  groups_ = std::move(left);
  return dropped;
}

void GroupCommit::LoseAll(const Status& conflict) {
  for (const RewrittenGroup& group : groups_) Lose(group, conflict);
  groups_.clear();
}

void GroupCommit::DeleteRest() {
  for (const RewrittenGroup& group : groups_) DeleteAddedFiles(file_io_, group);
  groups_.clear();
}

void GroupCommit::Count(const RewrittenGroup& group) {
  ++report_.groups_done;
  report_.rows += group.rows;
  report_.rows_deleted += group.rows_deleted;
  report_.files_removed += static_cast<int64_t>(group.removed.size());
  report_.files_added += static_cast<int64_t>(group.added.size());
  for (const iceberg::DataFile& file : group.removed) report_.bytes_removed += file.file_size_in_bytes;
  for (const iceberg::DataFile& file : group.added) report_.bytes_added += file.file_size_in_bytes;
}

void GroupCommit::Lose(const RewrittenGroup& group, const Status& conflict) {
  ++report_.groups_lost;
  report_.notes.push_back(fmt::format("{} files stay as they are: {}", group.removed.size(), MessageOf(conflict)));
  if (deletes_) DeleteAddedFiles(file_io_, group);
}

}  // namespace calve::maintain
