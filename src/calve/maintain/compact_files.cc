#include "calve/maintain/compact_files.h"

#include <fmt/format.h>

#include <utility>

#include "calve/base/random.h"
#include "calve/maintain/compact_groups.h"
#include "calve/maintain/work_meter.h"

namespace calve::maintain {
namespace {

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

  Result<CompactionReport> Run() {
    ARROW_ASSIGN_OR_RAISE(const auto planned_on, catalog_.LoadTable(request_.ident));
    ARROW_ASSIGN_OR_RAISE(report_, PlanGroups(file_io_, planned_on.metadata, request_));
    if (request_.dry_run) return WouldDo();
    GroupCommit commit(catalog_, file_io_, clock_, sleep_, request_.ident, PlannedOn::Of(planned_on.metadata), report_);
    const Status done = RewriteAll(planned_on.metadata, commit);
    commit.DeleteRest();
    ARROW_RETURN_NOT_OK(done);
    return std::move(report_);
  }

 private:
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

  Status RewriteAll(const iceberg::TableMetadata& metadata, GroupCommit& commit) {
    int64_t bytes = 0, rows = 0;
    for (const CompactionGroup& group : report_.plan.groups) {
      for (const table::ScanTask& task : group.tasks) rows += task.file.record_count;
    }
    meter_.Begin("compacting", rows);
    for (CompactionGroup& group : report_.plan.groups) {
      auto rewritten = Rewrite(metadata, group);
      if (KindOf(rewritten.status()) == ErrorKind::kStopped) {
        // Who is stopped time and again, because a cycle is due, gets on nevertheless.
        ARROW_RETURN_NOT_OK(commit.Commit(RandomUuid()));
      }
      ARROW_RETURN_NOT_OK(rewritten.status());
      if (*rewritten) commit.Add(std::move(**rewritten));
      bytes += group.bytes;
      group = {};
      if (bytes < request_.commit_bytes) continue;
      ARROW_RETURN_NOT_OK(commit.Commit(RandomUuid()));
      bytes = 0;
    }
    return commit.Commit(RandomUuid());
  }

  // nullopt, with a note, where the group has to stay as it is.
  Result<std::optional<RewrittenGroup>> Rewrite(const iceberg::TableMetadata& metadata, const CompactionGroup& group) {
    ARROW_RETURN_NOT_OK(stop_.Check());
    ARROW_ASSIGN_OR_RAISE(
        GroupOutcome outcome,
        RewriteIfWorthIt(file_io_, metadata, group, fmt::format("{}-compact-{:04}", run_id_, group_number_++),
                         request_.memory_bytes, stop_, [this](int64_t rows) { meter_.Add(rows); }));
    if (!outcome.group) {
      ++report_.groups_lost;
      report_.notes.push_back(std::move(outcome.note));
    }
    return std::move(outcome.group);
  }

  catalog::Catalog& catalog_;
  storage::FileIO& file_io_;
  const Clock& clock_;
  const StopToken& stop_;
  const CompactionRequest& request_;
  const table::Sleep& sleep_;
  WorkMeter meter_;
  const std::string run_id_ = RandomUuid();
  CompactionReport report_;
  int group_number_ = 0;
};

}  // namespace

Result<CompactionReport> CompactFiles(catalog::Catalog& catalog, storage::FileIO& file_io, const Clock& clock,
                                      const StopToken& stop, const CompactionRequest& request,
                                      const table::Sleep& sleep) {
  return Compactor(catalog, file_io, clock, stop, request, sleep).Run();
}

}  // namespace calve::maintain
