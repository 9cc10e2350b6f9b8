#include "calve/offload/run_log.h"

#include <unistd.h>

#include <algorithm>

namespace calve::offload {
namespace {

// Runs that are looked through for one that succeeded.
constexpr int kRunsLookedAt = 100;

}  // namespace

RunSubject RunSubjectOf(const OffloadRequest& request) {
  return {request.target.ToString(),
          request.query.empty() ? source::BareTableName(request.source_table) : request.source_table, request.layer};
}

RunSubject RunSubjectOf(const OffloadPlan& plan) { return {plan.target.ToString(), plan.journal_name, plan.layer}; }

LoggedRun LoggedRunOf(const OffloadPlan& plan) {
  return {plan.id, plan.source_table, plan.window, plan.made_at, plan.adopts_row};
}

Status RunLog::Start(const LoggedRun& run) {
  if (!journal_) return Status::OK();
  ARROW_RETURN_NOT_OK(journal_->StartRun(RecordOf(run, "running")));
  if (run.adopts_row) return Status::OK();
  return journal_->WriteStatus(subject_.table_name, "running", clock_.Now());
}

Status RunLog::Finish(const LoggedRun& run, const Result<bool>& done, const OffloadResult& result,
                      std::optional<int64_t> max_sequence) {
  if (!journal_) return Status::OK();
  const bool success = done.ok() && *done;
  const TimestampMicros now = clock_.Now();
  journal::RunRecord record = RecordOf(run, success ? "success" : "failed");
  record.finished_at = now;
  if (!done.ok()) record.error = MessageOf(done.status());
  if (done.ok() && !*done) record.error = "another calve committed this window first";
  if (success) {
    record.rows = result.rows, record.files = result.files, record.bytes = result.bytes,
    record.snapshot_id = result.snapshot_id;
  }
  ARROW_RETURN_NOT_OK(journal_->FinishRun(record));
  if (!done.ok()) return journal_->WriteFailure(subject_.table_name, MessageOf(done.status()), now);
  if (!success) return Status::OK();  // what the other one did is told by it, or by the next round
  journal::WatermarkRow row;
  row.table_name = subject_.table_name;
  row.last_offload_timestamp = run.window.to;
  row.last_offload_row_count = result.rows;
  row.last_offload_max_sequence = max_sequence;
  row.status = "success";
  row.last_successful_run = now;
  row.last_run_duration_seconds = static_cast<int>(std::max<int64_t>(0, now - run.started_at) / kMicrosPerSecond);
  return journal_->WriteWatermark(row, now);
}

Status RunLog::Fail(const Status& error) {
  if (!journal_ || KindOf(error) == ErrorKind::kStopped) return Status::OK();
  // Before the first window of calve's is in, the row may be the Spark job's, and the way to go on from it.
  ARROW_ASSIGN_OR_RAISE(auto runs, journal_->LastRuns(subject_.target, kRunsLookedAt));
  if (std::ranges::none_of(runs, [](const auto& run) { return run.status == "success"; })) return Status::OK();
  return journal_->WriteFailure(subject_.table_name, MessageOf(error), clock_.Now());
}

Status RunLog::Mirror(const CommitStamp& watermark) {
  if (!journal_) return Status::OK();
  ARROW_ASSIGN_OR_RAISE(auto row, journal_->ReadWatermark(subject_.table_name));
  if (row && row->status == "success" && row->last_offload_timestamp == watermark.window_to) return Status::OK();
  journal::WatermarkRow told = row.value_or(journal::WatermarkRow{});
  const TimestampMicros now = clock_.Now();
  if (!row || row->last_offload_timestamp != watermark.window_to) {
    told.last_offload_timestamp = watermark.window_to;
    told.last_offload_row_count = watermark.rows;
    told.last_offload_max_sequence = watermark.max_sequence;
  }
  told.table_name = subject_.table_name;
  told.status = "success";
  told.last_successful_run = now;
  told.failure_count = 0;
  told.last_error_message.clear();
  return journal_->WriteWatermark(told, now);
}

journal::RunRecord RunLog::RecordOf(const LoggedRun& run, const std::string& status) const {
  journal::RunRecord record;
  record.run_id = record.commit_id = run.run_id;
  record.table = subject_.target;
  record.source = run.source;
  record.layer = subject_.layer;
  record.status = status;
  record.started_at = run.started_at;
  record.window_from = run.window.from;
  record.window_to = run.window.to;
  char host[256] = {};
  if (gethostname(host, sizeof host - 1) == 0) record.host = host;
  record.pid = getpid();
  return record;
}

}  // namespace calve::offload
