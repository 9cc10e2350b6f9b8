#include "calve/offload/run_journal.h"

#include <unistd.h>

namespace calve::offload {

Status RunJournal::Start() { return journal_.StartRun(Record("running")); }

Status RunJournal::Finish(const Result<bool>& done, const OffloadResult& result) {
  const bool success = done.ok() && *done;
  journal::RunRecord record = Record(success ? "success" : "failed");
  record.finished_at = clock_.Now();
  if (!done.ok()) record.error = MessageOf(done.status());
  if (done.ok() && !*done) record.error = "another calve committed this window first";
  if (success) {
    record.rows = result.rows;
    record.files = result.files;
    record.bytes = result.bytes;
    record.snapshot_id = result.snapshot_id;
  }
  ARROW_RETURN_NOT_OK(journal_.FinishRun(record));
  if (success) return journal_.WriteWatermark(Mirror(result), clock_.Now());
  return done.ok() ? Status::OK() : journal_.WriteFailure(run_.source_name, MessageOf(done.status()), clock_.Now());
}

journal::RunRecord RunJournal::Record(const std::string& status) const {
  journal::RunRecord record;
  record.run_id = record.commit_id = run_.id;
  record.table = run_.table;
  record.source = run_.source;
  record.layer = run_.layer;
  record.status = status;
  record.started_at = clock_.Now() - static_cast<int64_t>(run_.seconds * 1e6);
  record.window_from = run_.window.from;
  record.window_to = run_.window.to;
  char host[256] = {};
  if (gethostname(host, sizeof host - 1) == 0) record.host = host;
  record.pid = getpid();
  return record;
}

journal::WatermarkRow RunJournal::Mirror(const OffloadResult& result) const {
  journal::WatermarkRow row;
  row.table_name = run_.source_name;
  row.last_offload_timestamp = run_.window.to;
  row.last_offload_row_count = result.rows;
  row.last_offload_max_sequence = run_.max_sequence;
  row.status = "success";
  row.last_successful_run = clock_.Now();
  row.last_run_duration_seconds = static_cast<int>(run_.seconds);
  return row;
}

}  // namespace calve::offload
