#include "calve/offload/beginning.h"

#include <fmt/format.h>

#include <algorithm>

namespace calve::offload {
namespace {

// Two sources in one table would hide each other's rows behind one watermark.
Status CheckSource(const OffloadRequest& request, const source::SourceTable& table, const Watermark& watermark) {
  const std::string before = SourceTableOf(watermark.stamp.source);
  if (before.empty() || before == table.FullName()) return Status::OK();
  return MakeError(
      ErrorKind::kConfig,
      fmt::format("{} is the target of {}, not of {}", request.target.ToString(), before, table.FullName()),
      "Give every source table a target of its own.");
}

// The Spark job's failure says nothing about what it appended. Our own run that began at this very watermark failed
// without a trace in the table, and only then wrote "failed" over "success".
bool FailedAfterAdopting(journal::Journal& journal, const OffloadRequest& request, const journal::WatermarkRow& row) {
  if (row.status != "failed") return false;
  auto runs = journal.LastRuns(request.target.ToString(), 1);
  return runs.ok() && !runs->empty() && runs->front().status == "failed" &&
         runs->front().window_from == row.last_offload_timestamp && runs->front().error == row.last_error_message;
}

// An existing table without a word of calve's.
Status Adopt(const OffloadContext& context, const OffloadRequest& request, const source::SourceTable& table,
             const iceberg::TableMetadata& target, Beginning& beginning) {
  beginning.from = request.start_from;
  if (request.start_from || request.start_at_first) return Status::OK();
  const iceberg::Snapshot* tip = target.CurrentSnapshot();
  if (!tip) return Status::OK();
  auto total = tip->summary.find("total-records");
  if (total != tip->summary.end() && total->second == "0") return Status::OK();
  // Only where calve never was: a main that was rolled back to before its first window needs all rows again.
  const bool known = target.properties.contains(kWatermarkProperty);
  if (context.journal && !known) {
    auto row = context.journal->ReadWatermark(table.name);
    if (row.ok() && *row && ((*row)->status == "success" || FailedAfterAdopting(*context.journal, request, **row))) {
      beginning.from = (*row)->last_offload_timestamp;
      beginning.adopts_row = true;
      return Status::OK();
    }
  }
  return MakeError(ErrorKind::kConfig,
                   fmt::format("{} has rows that calve did not put there, and nothing says up to when they reach",
                               request.target.ToString()),
                   "Say it with --start-from TIME (rows up to TIME are in the table), or --start-from beginning to "
                   "load all rows.");
}

// Runs that are looked through for one that succeeded.
constexpr int kEarlierRuns = 20;

// The journal decides nothing: a table that is not there is made. But where it knows the table, somebody should look.
std::string NoteOfATableThatIsGone(const OffloadContext& context, const OffloadRequest& request) {
  if (!context.journal) return "";
  const auto runs = context.journal->LastRuns(request.target.ToString(), kEarlierRuns);
  if (!runs.ok()) return "";
  const auto run = std::ranges::find(*runs, "success", &journal::RunRecord::status);
  if (run == runs->end()) return "";
  return fmt::format(
      "{} is not there and is made anew, though a run into it succeeded at {}: is the warehouse mounted, and the "
      "catalog "
      "the one of that run? (Where the table was dropped, this is right)",
      request.target.ToString(), FormatTimestamp(run->started_at));
}

}  // namespace

Result<Beginning> FindBeginning(const OffloadContext& context, const OffloadRequest& request,
                                const source::SourceTable& table, const iceberg::TableMetadata* target) {
  Beginning beginning;
  if (!target) {
    beginning.from = request.start_from;
    beginning.note = NoteOfATableThatIsGone(context, request);
    return beginning;
  }
  auto read = ReadWatermark(*target);
  const bool told = request.start_from || request.start_at_first;
  if (!read.ok() && !told) return WithContext(read.status(), request.target.ToString());
  if (read.ok()) beginning.watermark = *read;
  if (beginning.watermark) {
    ARROW_RETURN_NOT_OK(CheckSource(request, table, *beginning.watermark));
    beginning.from = beginning.watermark->stamp.window_to;
    return beginning;
  }
  ARROW_RETURN_NOT_OK(Adopt(context, request, table, *target, beginning));
  return beginning;
}

}  // namespace calve::offload
