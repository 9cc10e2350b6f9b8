#include "calve/offload/verify_sides.h"

#include <thread>

#include "calve/offload/hot_rows.h"
#include "calve/offload/source_select.h"
#include "calve/table/scan_pruning.h"

namespace calve::offload {
namespace {

constexpr int64_t kVerifyQueueBytesMax = 32 << 20;

Status Ended() { return MakeError(ErrorKind::kStopped, "the other side has failed"); }

// Ends a side when the other one has failed.
RowConsumer Until(const std::atomic<bool>& failed, const RowConsumer& consumer) {
  return [&failed, &consumer](size_t lane, const std::shared_ptr<arrow::RecordBatch>& batch) {
    return failed ? Ended() : consumer(lane, batch);
  };
}

}  // namespace

VerifySides::VerifySides(const SidesContext& context, const VerifyRequest& request, const VerifyPlan& plan)
    : context_(context), request_(request), plan_(plan) {}

Result<ColdScan> VerifySides::PlanCold(const Window& range) const {
  ColdScan scan;
  scan.schema = plan_.schema;
  scan.table_schema = plan_.target.schema();
  if (plan_.cursor_index >= 0 && (range.from || range.to != INT64_MAX)) {
    int field = plan_.column_ids[static_cast<size_t>(plan_.cursor_index)];
    scan.range = iceberg::RowRange{field, range.from, range.to};
    if (range.to == INT64_MAX) scan.range->up_to.reset();
  }
  if (!plan_.snapshot_id) return scan;
  if (plan_.tasks) {
    std::optional<table::RangePruner> pruner;
    if (scan.range) pruner.emplace(plan_.target, *scan.range);
    for (const table::ScanTask& task : *plan_.tasks) {
      if (!pruner || pruner->MayMatch(task.file)) scan.tasks.push_back(task);
    }
    return scan;
  }
  ARROW_ASSIGN_OR_RAISE(scan.tasks, table::PlanScan(context_.file_io, plan_.target, *plan_.snapshot_id, scan.range));
  return scan;
}

Status VerifySides::ReadHot(const Window& range, const RowConsumer& consumer) const {
  HotScan scan;
  const SliceSelect select = plan_.select ? *plan_.select : SelectRowsWhere(plan_.table, plan_.columns);
  scan.sql = select.Of(WindowPredicate(range, plan_.cursor));
  scan.query.settings = request_.settings;
  scan.query.among = plan_.replicas;
  scan.schema = plan_.schema;
  scan.window = range;
  scan.cursor_column = plan_.cursor.column;
  scan.queue_bytes_max = std::min(request_.memory_bytes / 8, kVerifyQueueBytesMax);
  return ReadHotRows(*context_.source, scan, context_.stop, consumer);
}

void VerifySides::Tell(int64_t rows, int64_t expected) const {
  double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  context_.progress.Update(Progress{"reading", rows, expected, 0, 0, seconds});
}

Status VerifySides::Read(const Window& range, const RowConsumer& hot, const RowConsumer& cold) {
  ARROW_ASSIGN_OR_RAISE(ColdScan scan, PlanCold(range));
  const int64_t expected = RowsAtMost(scan);
  std::atomic<bool> failed{false};
  cold_rows_ = 0;
  const RowConsumer counted = [&](size_t lane, const std::shared_ptr<arrow::RecordBatch>& batch) {
    int64_t rows = cold_rows_ += batch->num_rows();
    if (request_.cold_only) Tell(rows, expected);
    return cold(lane, batch);
  };
  if (request_.cold_only) return ReadColdRows(context_.file_io, scan, cold_lanes(), context_.stop, counted);

  Status cold_status;
  std::jthread cold_thread([&] {
    cold_status = ReadColdRows(context_.file_io, scan, cold_lanes(), context_.stop, Until(failed, counted));
    if (!cold_status.ok()) failed = true;
  });
  int64_t hot_rows = 0;
  const RowConsumer told = [&](size_t lane, const std::shared_ptr<arrow::RecordBatch>& batch) {
    hot_rows += batch->num_rows();
    Tell(hot_rows, expected);
    return hot(lane, batch);
  };
  Status hot_status = ReadHot(range, Until(failed, told));
  if (!hot_status.ok()) failed = true;
  cold_thread.join();
  // Of the two, the one that failed of itself.
  bool by_cold = !cold_status.ok() && (hot_status.ok() || KindOf(hot_status) == ErrorKind::kStopped);
  return by_cold ? WithContext(cold_status, request_.target.ToString()) : hot_status;
}

}  // namespace calve::offload
