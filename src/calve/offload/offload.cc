#include "calve/offload/offload.h"

#include <chrono>

#include "calve/offload/view.h"
#include "calve/offload/window_offload.h"

namespace calve::offload {
namespace {

using Steady = std::chrono::steady_clock;
double SecondsSince(Steady::time_point start) { return std::chrono::duration<double>(Steady::now() - start).count(); }

// `more` is of the chunk after those that `whole` is of.
void AddChunk(OffloadResult&& more, OffloadResult& whole) {
  whole.rows += more.rows, whole.files += more.files, whole.bytes += more.bytes, whole.bytes_read += more.bytes_read;
  if (more.snapshot_id) whole.snapshot_id = more.snapshot_id, whole.run_id = more.run_id;
  if (!more.held_by) whole.window.to = more.window.to, whole.watermark = more.watermark;
  whole.seconds += more.seconds, whole.seconds_planning += more.seconds_planning;
  whole.seconds_writing += more.seconds_writing, whole.seconds_committing += more.seconds_committing;
  whole.seconds_late += more.seconds_late;
  whole.seconds_slice.Add(more.seconds_slice);
  whole.rows_removed += more.rows_removed;
  whole.late.buckets += more.late.buckets, whole.late.rows += more.late.rows, whole.late.files += more.late.files;
  whole.late.bytes += more.late.bytes, whole.late.rows_removed += more.late.rows_removed;
  if (more.late.snapshot_id) whole.late.snapshot_id = more.late.snapshot_id;
  whole.notes.insert(whole.notes.end(), more.notes.begin(), more.notes.end());
}

// The end of a window is fixed when it is planned, that of one in chunks with its first.
Result<OffloadResult> OffloadInChunks(const OffloadContext& context, const OffloadRequest& request) {
  ChunksDone done;
  const auto began = Steady::now();
  ARROW_ASSIGN_OR_RAISE(WindowOutcome first, OffloadWindow(context, request, done));
  OffloadResult& whole = first.result;
  const auto& ends = first.further_ends;
  OffloadRequest next = request;
  next.chunk = {};
  next.start_from.reset();
  next.start_at_first = false;
  for (size_t i = 0; i < ends.size(); ++i) {
    if (request.longest_micros > 0 && SecondsSince(began) * 1e6 >= static_cast<double>(request.longest_micros)) {
      whole.backlog = true;
      whole.notes.push_back(fmt::format("{} of {} chunks are in after {}; the rest is for the next run", i + 1,
                                        whole.chunks,
                                        FormatDuration(static_cast<int64_t>(SecondsSince(began)) * kMicrosPerSecond)));
      context.progress.Note(whole.notes.back());
      break;
    }
    next.until = ends[i] + request.covers_micros;
    done = {whole.rows,          whole.rows_expected, whole.bytes_read, whole.bytes,
            SecondsSince(began), whole.notes,         whole.chunks,     static_cast<int64_t>(i) + 1};
    auto more = OffloadWindow(context, next, done);
    if (!more.ok()) {
      return WithContext(more.status(), fmt::format("{} of {} chunks are in, up to {}; the next", i + 1, whole.chunks,
                                                    FormatTimestamp(*whole.watermark)));
    }
    const bool held = more->result.held_by.has_value();
    AddChunk(std::move(more->result), whole);
    if (!held) continue;
    whole.notes.push_back(
        fmt::format("another calve works on the table since; {} of {} chunks were done here", i + 1, whole.chunks));
    context.progress.Note(whole.notes.back());
    break;
  }
  return std::move(whole);
}

}  // namespace

Result<OffloadResult> OffloadTable(const OffloadContext& context, const OffloadRequest& request) {
  ARROW_ASSIGN_OR_RAISE(OffloadResult result, OffloadInChunks(context, request));
  if (!request.view.empty() && !request.dry_run) {
    auto view = MakeView(context, {request.source_table, request.query, request.where, request.target,
                                   request.timestamp_column, request.columns, request.view, /*create=*/true});
    // The rows are in, and the view is right with its old split as well.
    if (!view.ok()) {
      result.notes.push_back(
          fmt::format("the view {} still has its old split: {}", request.view, MessageOf(view.status())));
      context.progress.Note(result.notes.back());
    }
  }
  return result;
}

}  // namespace calve::offload
