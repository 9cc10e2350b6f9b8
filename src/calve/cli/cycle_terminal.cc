#include "calve/cli/cycle_terminal.h"

#include <algorithm>

#include "calve/cli/exit_code.h"
#include "calve/cli/offload_report.h"

namespace calve::cli {
namespace {

using schedule::TableState;

double SecondsOf(const schedule::TableResult& outcome) {
  if (!outcome.started || !outcome.finished) return 0;
  return static_cast<double>(*outcome.finished - *outcome.started) / 1e6;
}

int64_t RowsOf(const cycle::CycleReport& report) {
  int64_t rows = 0;
  for (const auto& table : report.tables) rows += table.offload ? table.offload->rows + table.offload->late.rows : 0;
  return rows;
}

Json TableJson(const cycle::TableReport& report, bool dry_run) {
  Json json = {{"name", report.name}, {"state", schedule::TableStateName(report.outcome.state)}};
  if (!report.outcome.reason.empty()) json["reason"] = report.outcome.reason;
  if (!report.outcome.status.ok()) json["error"] = ErrorJson(report.outcome.status);
  if (report.outcome.started) json["duration_seconds"] = SecondsOf(report.outcome);
  if (report.offload) json.update(ResultJson(*report.offload, dry_run));
  return json;
}

}  // namespace

CycleTerminal::CycleTerminal(Terminal& terminal, const config::Config& config, bool dry_run,
                             const std::string& cycle_id)
    : terminal_(terminal), config_(config), dry_run_(dry_run), cycle_id_(cycle_id) {
  for (const config::TableConfig& table : config.tables) {
    sinks_.emplace_back(*this, table, config.commit == config::CommitUnit::kCycle);
  }
}

void CycleTerminal::Sink::Tell(const Event& event) {
  // What waits for the one commit of a cycle is not in yet.
  if (commits_later_ &&
      (event.kind() == EventKind::kWindowCommitted || event.kind() == EventKind::kLateRowsCommitted)) {
    return;
  }
  Event known = event;
  known.Set(EventField::kTable, table_.name).Set(EventField::kLayer, table_.layer);
  owner_.terminal_.Tell(known.Set(EventField::kCycle, owner_.cycle_id_));
}

void CycleTerminal::OnStarted(size_t) {}

void CycleTerminal::OnEnded(size_t number, const cycle::TableReport& report) {
  terminal_.EndTable(report.name);
  Event event = EventOf(report);
  event.Set(EventField::kTable, report.name).Set(EventField::kTarget, config_.tables[number].target.ToString());
  event.Set(EventField::kLayer, config_.tables[number].layer).Set(EventField::kCycle, cycle_id_);
  if (event.kind() == EventKind::kTableFailed) event.Set(EventField::kDurationSeconds, SecondsOf(report.outcome));
  terminal_.Tell(event);
}

Event CycleTerminal::EventOf(const cycle::TableReport& report) const {
  const schedule::TableResult& outcome = report.outcome;
  switch (outcome.state) {
    case TableState::kDone:
      break;
    case TableState::kFailed:
      return Event::Of(EventKind::kTableFailed, outcome.status);
    case TableState::kSkipped: {
      Event event(EventKind::kTableSkipped, fmt::format("{}: skipped, {}", report.name, outcome.reason));
      if (outcome.blocks) event.SetLevel(EventLevel::kWarning);
      return event.Set(EventField::kReason, outcome.reason);
    }
    case TableState::kStopped:
      return Event(EventKind::kTableStopped,
                   fmt::format("{}: stopped {}", report.name, outcome.started ? "on the way" : "before it began"));
  }
  if (report.offload) return TableDoneEvent(*report.offload, report.name, dry_run_);
  return Event(EventKind::kTableDone, report.name + ": done");
}

Event TableDoneEvent(const offload::OffloadResult& result, const std::string& name, bool dry_run) {
  Event event(EventKind::kTableDone, fmt::format("{}: {}", name, DoneText(result, dry_run)));
  const bool moved = result.rows + result.rows_removed + result.late.rows + result.late.rows_removed > 0;
  const bool would_move = dry_run && !result.window.empty();
  if (!moved && !would_move && !result.created_table && !result.backlog) event.SetLevel(EventLevel::kDebug);
  event.Set(EventField::kRun, result.run_id).Set(EventField::kTarget, result.target);
  if (!result.window.empty()) {
    event.SetTime(EventField::kWindowFrom, result.window.from).SetTime(EventField::kWindowTo, result.window.to);
  }
  event.SetTime(EventField::kWatermark, result.watermark)
      .Set(EventField::kRows, result.rows)
      .Set(EventField::kRowsRemoved, result.rows_removed)
      .Set(EventField::kLateRows, result.late.rows)
      .Set(EventField::kFiles, result.files + result.late.files)
      .Set(EventField::kBytes, result.bytes + result.late.bytes)
      .Set(EventField::kBytesRead, result.bytes_read)
      .Set(EventField::kChunks, result.chunks)
      .Set(EventField::kSnapshotId, result.late.snapshot_id ? result.late.snapshot_id : result.snapshot_id);
  const offload::SliceSeconds& slice = result.seconds_slice;
  for (const auto& [field, seconds] : {std::pair(EventField::kPlanSeconds, result.seconds_planning),
                                       {EventField::kReadSeconds, slice.read},
                                       {EventField::kDecodeSeconds, slice.decode},
                                       {EventField::kEncodeSeconds, slice.encode},
                                       {EventField::kUploadSeconds, slice.upload},
                                       {EventField::kCommitSeconds, result.seconds_committing},
                                       {EventField::kLateSeconds, result.seconds_late},
                                       {EventField::kDurationSeconds, result.seconds}}) {
    event.Set(field, seconds);
  }
  return event;
}

Event CycleEndedEvent(const cycle::CycleReport& report, const std::string& cycle_id) {
  Event event(EventKind::kCycleEnded, "cycle ended: " + CycleSummary(report));
  event.Set(EventField::kCycle, cycle_id).Set(EventField::kTables, static_cast<int64_t>(report.tables.size()));
  for (const auto& [field, state] : {std::pair(EventField::kDone, TableState::kDone),
                                     {EventField::kFailed, TableState::kFailed},
                                     {EventField::kSkipped, TableState::kSkipped},
                                     {EventField::kStopped, TableState::kStopped}}) {
    event.Set(field, static_cast<int64_t>(report.Count(state)));
  }
  event.Set(EventField::kRows, RowsOf(report));
  return event.Set(EventField::kDurationSeconds, static_cast<double>(report.finished - report.started) / 1e6);
}

std::string DoneText(const offload::OffloadResult& r, bool dry_run) {
  std::string text;
  if (dry_run) {
    text = r.window.empty() ? std::string("nothing to do")
                            : fmt::format("would offload {} rows of the window {}{}", HumanCount(r.rows_expected),
                                          WindowText(r.window), InChunks(r));
  } else if (r.window.empty()) {
    text = fmt::format("up to date at {}", r.watermark ? FormatTimestamp(*r.watermark) : "-");
  } else {
    text = fmt::format("{} rows up to {} in {}, {} file{}, {}{}", HumanCount(r.rows), FormatTimestamp(r.window.to),
                       HumanSeconds(r.seconds), r.files, r.files == 1 ? "" : "s", HumanBytes(r.bytes), InChunks(r));
  }
  if (r.late.rows > 0) text += fmt::format("; {} rows behind the watermark", HumanCount(r.late.rows));
  if (r.late.rows_removed > 0) text += fmt::format(", {} taken out", HumanCount(r.late.rows_removed));
  if (r.backlog) text += "; more is left";
  return text;
}

Json CycleJson(const cycle::CycleReport& report, bool dry_run) {
  Json json;
  json["started"] = FormatTimestamp(report.started);
  json["finished"] = FormatTimestamp(report.finished);
  json["duration_seconds"] = static_cast<double>(report.finished - report.started) / 1e6;
  json["rows"] = RowsOf(report);
  for (TableState state : {TableState::kDone, TableState::kFailed, TableState::kSkipped, TableState::kStopped}) {
    json[std::string(schedule::TableStateName(state))] = report.Count(state);
  }
  if (report.backlog()) json["backlog"] = true;
  if (dry_run) json["dry_run"] = true;
  json["tables"] = Json::array();
  for (const auto& table : report.tables) json["tables"].push_back(TableJson(table, dry_run));
  return json;
}

int CycleExitCode(const cycle::CycleReport& report, const StopToken& stop) {
  if (stop.stopped()) return ExitCodeOf(stop.Check(), stop);
  if (report.Count(TableState::kFailed) == 0) return kExitDone;
  if (report.Count(TableState::kDone) > 0) return kExitSomeFailed;
  const bool is_usage = std::ranges::all_of(report.tables, [&](const auto& table) {
    return table.outcome.state != TableState::kFailed || ExitCodeOf(table.outcome.status, stop) == kExitUsage;
  });
  return is_usage ? kExitUsage : kExitFailed;
}

std::string CycleSummary(const cycle::CycleReport& report) {
  std::string text = fmt::format("{} table{}:", report.tables.size(), report.tables.size() == 1 ? "" : "s");
  for (TableState state : {TableState::kDone, TableState::kFailed, TableState::kSkipped, TableState::kStopped}) {
    const size_t count = report.Count(state);
    if (count > 0)
      text += fmt::format("{} {} {}", text.back() == ':' ? "" : ",", count, schedule::TableStateName(state));
  }
  return text + fmt::format("; {} rows in {}", HumanCount(RowsOf(report)),
                            HumanSeconds(static_cast<double>(report.finished - report.started) / 1e6));
}

}  // namespace calve::cli
