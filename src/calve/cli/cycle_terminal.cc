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

Json TableJson(const cycle::TableReport& report, bool dry_run) {
  Json json = {{"name", report.name}, {"state", StateName(report.outcome.state)}};
  if (!report.outcome.reason.empty()) json["reason"] = report.outcome.reason;
  if (!report.outcome.status.ok()) json["error"] = ErrorJson(report.outcome.status);
  if (report.outcome.started) json["duration_seconds"] = SecondsOf(report.outcome);
  if (report.offload) json.update(ResultJson(*report.offload, dry_run));
  return json;
}

}  // namespace

CycleTerminal::CycleTerminal(Terminal& terminal, const config::Config& config, bool dry_run)
    : terminal_(terminal), dry_run_(dry_run) {
  for (const config::TableConfig& table : config.tables) sinks_.emplace_back(terminal, table.name);
}

void CycleTerminal::OnStarted(size_t) {}

void CycleTerminal::OnEnded(size_t, const cycle::TableReport& report) {
  terminal_.EndTable(report.name);
  const schedule::TableResult& outcome = report.outcome;
  switch (outcome.state) {
    case TableState::kDone:
      return terminal_.Note(
          fmt::format("{}: {}", report.name, report.offload ? DoneText(*report.offload, dry_run_) : "done"));
    case TableState::kFailed:
      return terminal_.Error(outcome.status);
    case TableState::kSkipped:
      return outcome.blocks ? terminal_.Warn(fmt::format("{}: skipped, {}", report.name, outcome.reason))
                            : terminal_.Note(fmt::format("{}: skipped, {}", report.name, outcome.reason));
    case TableState::kStopped:
      return terminal_.Note(
          fmt::format("{}: stopped {}", report.name, outcome.started ? "on the way" : "before it began"));
  }
}

std::string_view StateName(TableState state) {
  switch (state) {
    case TableState::kDone:
      return "done";
    case TableState::kFailed:
      return "failed";
    case TableState::kSkipped:
      return "skipped";
    case TableState::kStopped:
      return "stopped";
  }
  return "";
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
  int64_t rows = 0;
  for (const auto& table : report.tables) rows += table.offload ? table.offload->rows + table.offload->late.rows : 0;
  json["rows"] = rows;
  for (TableState state : {TableState::kDone, TableState::kFailed, TableState::kSkipped, TableState::kStopped}) {
    json[std::string(StateName(state))] = report.Count(state);
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
    if (count > 0) text += fmt::format("{} {} {}", text.back() == ':' ? "" : ",", count, StateName(state));
  }
  int64_t rows = 0;
  for (const auto& table : report.tables) rows += table.offload ? table.offload->rows + table.offload->late.rows : 0;
  return text + fmt::format("; {} rows in {}", HumanCount(rows),
                            HumanSeconds(static_cast<double>(report.finished - report.started) / 1e6));
}

}  // namespace calve::cli
