#include "calve/maintain/compact_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "calve/base/random.h"
#include "calve/maintain/group_rewrite.h"
#include "calve/maintain/work_meter.h"

namespace calve::maintain {
namespace {

using catalog::LoadedTable;

constexpr int64_t kTargetBytes = 512 << 20;

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

class Compactor {
 public:
  Compactor(catalog::Catalog& catalog, storage::FileIO& file_io, const Clock& clock, const StopToken& stop,
            const CompactionRequest& request, const table::Sleep& sleep)
      : catalog_(catalog),
        file_io_(file_io),
        clock_(clock),
        stop_(stop),
        request_(request),
        sleep_(sleep),
        meter_(request.progress, "rows") {}
  // What was written and is in no snapshot, nor may be.
  ~Compactor() { DeleteFiles(batch_); }

  Result<CompactionReport> Run() {
    ARROW_ASSIGN_OR_RAISE(planned_on_, catalog_.LoadTable(request_.ident));
    const iceberg::TableMetadata& metadata = planned_on_.metadata;
    ARROW_RETURN_NOT_OK(CheckMayCompact(metadata));
    if (metadata.CurrentSnapshot() == nullptr) return report_;
    ARROW_ASSIGN_OR_RAISE(const CompactionRule rule, RuleOf(metadata, request_));
    {
      ARROW_ASSIGN_OR_RAISE(const auto tasks,
                            table::PlanScan(file_io_, metadata, *metadata.current_snapshot_id, std::nullopt));
      report_.plan = PlanCompaction(tasks, rule);
    }
    report_.groups = static_cast<int64_t>(report_.plan.groups.size());
    Note(report_.plan.other_specs, "of another partition spec than the table's are left as they are");
    Note(report_.plan.not_rewritable, "that are encrypted or no Parquet are left as they are");
    if (request_.dry_run) return WouldDo();
    int64_t bytes = 0, rows = 0;
    for (const CompactionGroup& group : report_.plan.groups) {
      for (const table::ScanTask& task : group.tasks) rows += task.file.record_count;
    }
    meter_.Begin("compacting", rows);
    for (CompactionGroup& group : report_.plan.groups) {
      auto rewritten = Rewrite(group);
      if (KindOf(rewritten.status()) == ErrorKind::kStopped) {
        // Who is stopped time and again, because a cycle is due, gets on nevertheless.
        ARROW_RETURN_NOT_OK(CommitBatch());
      }
      ARROW_RETURN_NOT_OK(rewritten.status());
      if (*rewritten) batch_.push_back(std::move(**rewritten));
      bytes += group.bytes;
      group = {};
      if (bytes < request_.commit_bytes) continue;
      ARROW_RETURN_NOT_OK(CommitBatch());
      bytes = 0;
    }
    ARROW_RETURN_NOT_OK(CommitBatch());
    return std::move(report_);
  }

 private:
  void Note(int64_t files, const char* what) {
    if (files > 0) report_.notes.push_back(fmt::format("{} small files {}", files, what));
  }

  CompactionReport WouldDo() {
    for (const CompactionGroup& group : report_.plan.groups) {
      report_.files_removed += static_cast<int64_t>(group.tasks.size());
      report_.bytes_removed += group.bytes;
      report_.files_added += group.files;
      for (const table::ScanTask& task : group.tasks) report_.rows += task.file.record_count;
    }
    report_.plan.groups.clear();
    return std::move(report_);
  }

  // nullopt, with a note, where the group has to stay as it is.
  Result<std::optional<RewrittenGroup>> Rewrite(const CompactionGroup& group) {
    ARROW_RETURN_NOT_OK(stop_.Check());
    auto rewritten =
        RewriteGroup(file_io_, planned_on_.metadata, group, fmt::format("{}-compact-{:04}", run_id_, group_number_++),
                     request_.memory_bytes, stop_, [this](int64_t rows) { meter_.Add(rows); });
    if (rewritten.ok() && (rewritten->added.size() < rewritten->removed.size() || rewritten->rows_deleted > 0)) {
      return std::optional(rewritten.MoveValueUnsafe());
    }
    if (rewritten.ok()) {
      DeleteFiles({*rewritten});
      ++report_.groups_lost;
      report_.notes.push_back(fmt::format("{} files stay as they are: they became {} files; more --memory may help",
                                          group.tasks.size(), rewritten->added.size()));
      return std::nullopt;
    }
    const ErrorKind kind = KindOf(rewritten.status());
    // Expired meanwhile, or of a kind that calve does not read: the others can still be done.
    if (kind != ErrorKind::kNotFound && kind != ErrorKind::kUnsupported) return rewritten.status();
    ++report_.groups_lost;
    report_.notes.push_back(
        fmt::format("{} files stay as they are: {}", group.tasks.size(), MessageOf(rewritten.status())));
    return std::nullopt;
  }

  Status CommitBatch() {
    if (batch_.empty()) return Status::OK();
    Status status = Commit(batch_);
    if (KindOf(status) != ErrorKind::kConflict || batch_.size() == 1) {
      return status.ok() || KindOf(status) != ErrorKind::kConflict ? Settled(status) : Lost(status);
    }
    // Some of their files are not what they were: which ones, each shows by itself.
    auto groups = std::move(batch_);
    batch_.clear();
    for (size_t i = 0; i < groups.size(); ++i) {
      batch_ = {std::move(groups[i])};
      status = CommitBatch();
      if (status.ok()) continue;
      for (++i; i < groups.size(); ++i) DeleteFiles({std::move(groups[i])});
      return status;
    }
    return Status::OK();
  }

  // Of an unknown outcome the files may be in the table, now or later.
  Status Settled(const Status& status) {
    if (status.ok()) {
      for (const RewrittenGroup& group : batch_) Count(group);
    }
    if (status.ok() || KindOf(status) == ErrorKind::kUnknownOutcome) batch_.clear();
    return status;
  }

  Status Lost(const Status& conflict) {
    ++report_.groups_lost;
    report_.notes.push_back(
        fmt::format("{} files stay as they are: {}", batch_.front().removed.size(), MessageOf(conflict)));
    DeleteFiles(batch_);
    batch_.clear();
    return Status::OK();
  }

  Status Commit(const std::vector<RewrittenGroup>& groups) {
    ReplaceCommit commit;
    commit.ident = request_.ident;
    commit.kind = "compact";
    commit.commit_id = RandomUuid();
    ARROW_ASSIGN_OR_RAISE(commit.planned_on, catalog_.LoadTable(request_.ident));
    const iceberg::TableMetadata& planned = planned_on_.metadata;
    if (commit.planned_on.metadata.table_uuid != planned.table_uuid) {
      return MakeError(ErrorKind::kConflict, "the table was made anew meanwhile", "Run again.");
    }
    commit.request.planned_snapshot_id = planned.current_snapshot_id;
    if (planned.format_version > 1) {
      commit.request.data_sequence_number = planned.CurrentSnapshot()->sequence_number;
    }
    for (const RewrittenGroup& group : groups) {
      commit.request.added.insert(commit.request.added.end(), group.added.begin(), group.added.end());
      commit.request.removed.insert(commit.request.removed.end(), group.removed.begin(), group.removed.end());
    }
    ARROW_ASSIGN_OR_RAISE(const auto snapshot_id, CommitReplacement(catalog_, file_io_, clock_, commit, sleep_));
    if (snapshot_id) report_.snapshot_ids.push_back(*snapshot_id);
    return Status::OK();
  }

  void Count(const RewrittenGroup& group) {
    ++report_.groups_done;
    report_.rows += group.rows;
    report_.rows_deleted += group.rows_deleted;
    report_.files_removed += static_cast<int64_t>(group.removed.size());
    report_.files_added += static_cast<int64_t>(group.added.size());
    for (const iceberg::DataFile& file : group.removed) report_.bytes_removed += file.file_size_in_bytes;
    for (const iceberg::DataFile& file : group.added) report_.bytes_added += file.file_size_in_bytes;
  }

  void DeleteFiles(const std::vector<RewrittenGroup>& groups) {
    for (const RewrittenGroup& group : groups) {
      for (const iceberg::DataFile& file : group.added) {
        const Status deleted = file_io_.Delete(file.file_path);
        static_cast<void>(deleted);  // leftovers are found by orphan removal
      }
    }
  }

  catalog::Catalog& catalog_;
  storage::FileIO& file_io_;
  const Clock& clock_;
  const StopToken& stop_;
  const CompactionRequest& request_;
  const table::Sleep& sleep_;
  WorkMeter meter_;
  const std::string run_id_ = RandomUuid();
  LoadedTable planned_on_;
  CompactionReport report_;
  std::vector<RewrittenGroup> batch_;  // written, and not in any snapshot
  int group_number_ = 0;
};

}  // namespace

Result<CompactionReport> CompactFiles(catalog::Catalog& catalog, storage::FileIO& file_io, const Clock& clock,
                                      const StopToken& stop, const CompactionRequest& request,
                                      const table::Sleep& sleep) {
  return Compactor(catalog, file_io, clock, stop, request, sleep).Run();
}

}  // namespace calve::maintain
