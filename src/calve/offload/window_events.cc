#include "calve/offload/window_events.h"

#include <algorithm>

namespace calve::offload {
namespace {

Event EventOf(const OffloadRequest& request, EventKind kind, const std::string& run_id, std::string message) {
  Event event(kind, fmt::format("{}: {}", request.source_table, message));
  event.Set(EventField::kRun, run_id).Set(EventField::kTable, request.source_table);
  return event.Set(EventField::kTarget, request.target.ToString()).Set(EventField::kLayer, request.layer);
}

}  // namespace

Event PlannedEvent(const OffloadRequest& request, const OffloadResult& result, const Window& window,
                   const std::string& run_id) {
  Event event = EventOf(request, EventKind::kWindowPlanned, run_id,
                        fmt::format("{} rows to read, in {} chunk{}, the first up to {}", result.rows_expected,
                                    result.chunks, result.chunks == 1 ? "" : "s", FormatTimestamp(window.to)));
  event.SetTime(EventField::kWindowFrom, window.from).SetTime(EventField::kWindowTo, window.to);
  return event.Set(EventField::kRowsExpected, result.rows_expected).Set(EventField::kChunks, result.chunks);
}

Event CommittedEvent(const OffloadRequest& request, const OffloadResult& result, const ChunksDone& before,
                     double seconds) {
  const int64_t chunk = before.chunks_done + 1, chunks = std::max(before.chunks, result.chunks);
  Event event =
      EventOf(request, EventKind::kWindowCommitted, result.run_id,
              fmt::format("{}{} rows up to {} are in", chunks > 1 ? fmt::format("chunk {} of {}, ", chunk, chunks) : "",
                          result.rows, FormatTimestamp(result.window.to)));
  if (chunks > 1) event.SetLevel(EventLevel::kInfo).Set(EventField::kChunk, chunk).Set(EventField::kChunks, chunks);
  event.Set(EventField::kCommit, result.run_id)
      .SetTime(EventField::kWindowFrom, result.window.from)
      .SetTime(EventField::kWindowTo, result.window.to)
      .Set(EventField::kRows, result.rows)
      .Set(EventField::kFiles, result.files)
      .Set(EventField::kBytes, result.bytes)
      .Set(EventField::kSnapshotId, result.snapshot_id);
  return event.Set(EventField::kDurationSeconds, seconds);
}

Event LateEvent(const OffloadRequest& request, const OffloadResult& result, const std::string& run_id, double seconds) {
  const LateRows& late = result.late;
  Event event =
      EventOf(request, EventKind::kLateRowsCommitted, run_id,
              fmt::format("{} rows behind the watermark are in, and {} were taken out", late.rows, late.rows_removed));
  event.Set(EventField::kRows, late.rows)
      .Set(EventField::kRowsRemoved, late.rows_removed)
      .Set(EventField::kFiles, late.files)
      .Set(EventField::kBytes, late.bytes)
      .Set(EventField::kSnapshotId, late.snapshot_id);
  return event.Set(EventField::kDurationSeconds, seconds);
}

}  // namespace calve::offload
