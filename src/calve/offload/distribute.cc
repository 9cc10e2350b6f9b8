#include "calve/offload/distribute.h"

#include "calve/offload/plan_commit.h"
#include "calve/offload/plan_slices.h"
#include "calve/offload/run_log.h"
#include "calve/offload/slice_lines.h"
#include "calve/process/line_command.h"
#include "calve/table/plan_store.h"

namespace calve::offload {
namespace {

// What the program wrote, line by line; only the commit looks at whether it is all.
Result<std::vector<std::string>> RunWriters(const OffloadContext& context, const Distribution& distribution,
                                            const PlannedSlices& planned, const SliceProgress& progress) {
  ARROW_ASSIGN_OR_RAISE(const auto types, PartitionTypesOf(planned.plan));
  std::vector<std::string> written;
  int64_t rows = 0, bytes_read = 0, bytes = 0;
  process::LineHandlers handlers;
  handlers.on_said = [&](std::string_view line) { context.progress.Note(fmt::format("writers: {}", line)); };
  handlers.on_answer = [&](std::string_view text) -> Status {
    auto line = ReadWrittenLine(text, types);
    if (!line.ok()) {
      return MakeError(ErrorKind::kCorrupt,
                       fmt::format("gave an answer that is none of calve write-slice: {}: {}", MessageOf(line.status()),
                                   text.substr(0, 200)),
                       "Nothing but these lines may be on its stdout; what it has to say belongs to stderr.");
    }
    rows += line->rows, bytes_read += line->bytes_read;
    for (const iceberg::DataFile& file : line->files) bytes += file.file_size_in_bytes;
    written.emplace_back(text);
    progress(rows, bytes_read, bytes);
    return Status::OK();
  };
  ARROW_RETURN_NOT_OK(process::RunLineCommand({distribution.command, distribution.timeout_micros}, planned.lines,
                                              context.stop, handlers));
  return written;
}

// A plan whose slices were not written.
void GiveUp(const OffloadContext& context, const PlannedSlices& planned, const Status& why) {
  const OffloadPlan& plan = planned.plan;
  const auto ended = table::EndPlan(context.file_io, planned.location, plan.data_location,
                                    HeldByTarget(context.catalog, context.file_io, plan));
  if (!ended.ok()) context.progress.Note(fmt::format("files of the plan may be left: {}", MessageOf(ended.status())));
  // That the journal cannot be written is told by the run that follows.
  (void)RunLog(context.journal, context.clock, RunSubjectOf(plan)).Finish(LoggedRunOf(plan), why, {}, std::nullopt);
}

}  // namespace

Result<OffloadResult> DistributeWindow(const OffloadContext& context, const OffloadRequest& request, WindowPlan window,
                                       const SliceProgress& progress) {
  PlanSlicesRequest options;
  options.lease_micros = 0;
  options.slice_rows = request.distribute->slice_rows;
  ARROW_ASSIGN_OR_RAISE(const PlannedSlices planned, PlanSlices(context, request, options, std::move(window)));
  if (planned.location.empty()) {
    OffloadResult nothing;
    nothing.window = planned.plan.window;
    return nothing;
  }
  context.progress.Note(fmt::format("{} slices of {} rows go to {}", planned.lines.size(), planned.plan.rows,
                                    request.distribute->command.front()));
  auto written = RunWriters(context, *request.distribute, planned, progress);
  if (!written.ok()) {
    GiveUp(context, planned, written.status());
    return WithContext(written.status(), "its slices were not written");
  }
  PlanCommitContext committing{context.catalog, context.file_io, context.journal, context.clock, context.progress};
  ARROW_ASSIGN_OR_RAISE(OffloadResult result,
                        CommitPlan(committing, {std::move(*written), planned.location, /*keep=*/false}));
  result.notes.insert(result.notes.begin(), planned.notes.begin(), planned.notes.end());
  return result;
}

}  // namespace calve::offload
