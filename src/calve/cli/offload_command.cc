#include <cstdio>
#include <nlohmann/json.hpp>
#include <utility>

#include "calve/cli/command.h"
#include "calve/cli/cycle_terminal.h"
#include "calve/cli/exit_code.h"
#include "calve/cli/json_output.h"
#include "calve/cli/metrics_output.h"
#include "calve/cli/offload_flags.h"
#include "calve/cli/offload_report.h"
#include "calve/cli/session.h"
#include "calve/offload/offload.h"
#include "calve/source/introspection.h"

namespace calve::cli {
namespace {

constexpr const char* kOffloadFooter = R"(Examples:
  calve offload --source http://default@127.0.0.1:8123/k2 --warehouse file:///srv/cold \
      --source-table bronze_trades --target-table cold.bronze_trades \
      --timestamp-col exchange_timestamp --sequence-col sequence_number --partition-by 'days(exchange_timestamp)'
  calve offload … --dry-run          what would be done: window, rows, query; nothing is changed
  calve offload … --until 2024-08-09T00:00:00Z
  CALVE_STATE_PASSWORD=… calve offload … --state 'postgresql://calve@db/platform?sslmode=verify-full'
                                     the journal in PostgreSQL, for calves on several machines (docs/journal.md)

The window begins at the watermark, which is read from the target table's newest snapshot of calve's, and ends at the
ClickHouse server's clock minus --buffer. Run it as often as you like: each row is offloaded once.)";

// How this one process goes about it.
void AddCycleFlags(CLI::App& command, OffloadFlags& flags) {
  const char* group = "Table";
  const char* window = "Window";
  command
      .add_option(
          "--view", flags.view,
          "after each window, create or replace this ClickHouse view over hot and cold rows (calve view --help)")
      ->envname("CALVE_VIEW")
      ->group(group);
  command
      .add_option(
          "--chunk-rows", flags.chunk_rows,
          "commit a window of more rows than that in chunks, cut at full hours (minutes, seconds where an hour has "
          "more): what is in stays in if the run is interrupted; 0: no limit")
      ->check(CLI::NonNegativeNumber)
      ->envname("CALVE_CHUNK_ROWS")
      ->capture_default_str()
      ->group(window);
  command
      .add_option("--chunk-bytes", flags.chunk_bytes,
                  "the same by size, as ClickHouse has the rows on its disk; 0B: no limit")
      ->envname("CALVE_CHUNK_BYTES")
      ->capture_default_str()
      ->group(window);
  command
      .add_option("--readers", flags.readers,
                  "so many queries read a window (a chunk) at once, each a part of its time: where the network or a "
                  "single query is what takes long")
      ->check(CLI::PositiveNumber)
      ->envname("CALVE_READERS")
      ->capture_default_str()
      ->group(window);
  command
      .add_option("--lease", flags.lease,
                  "while this run works, others that share the journal skip the table; one that was killed or hangs is "
                  "waited for at most so long. 0: no lease")
      ->envname("CALVE_LEASE")
      ->capture_default_str()
      ->group(window);
  command
      .add_option("--lookback", flags.lookback,
                  "look so far behind the watermark for rows that were inserted late or have changed, and put them in; "
                  "0s: never")
      ->envname("CALVE_LOOKBACK")
      ->capture_default_str()
      ->group(window);
  command.add_flag("--dry-run", flags.dry_run, "say what would be done, and change nothing")->group(window);
  command.add_option("--memory", flags.memory, "for blocks in flight and open files together")
      ->envname("CALVE_MEMORY")
      ->capture_default_str()
      ->group(window);
}

// As of a cycle over this table alone.
void TellMetrics(const OffloadFlags& flags, const Result<offload::OffloadResult>& result, TimestampMicros started,
                 Terminal& terminal) {
  const auto request = OffloadRequestOf(flags);
  if (flags.metrics_file.empty() || flags.dry_run || !request.ok()) return;
  cycle::TableReport table;
  table.name = source::BareTableName(flags.source_table);
  if (!result.ok()) {
    static_cast<schedule::TableOutcome&>(table.outcome) = schedule::TableOutcome::Failed(result.status());
  } else {
    table.offload = *result;
    if (result->held_by) table.outcome.state = schedule::TableState::kSkipped;
  }
  table.outcome.started = started;
  table.outcome.finished = SystemClock().Now();
  cycle::CycleReport report;
  report.tables = {table};
  report.started = started;
  report.finished = *table.outcome.finished;
  WriteCycleMetrics(flags.metrics_file, {{table.name, flags.layer, request->buffer_micros + request->covers_micros}},
                    std::nullopt, report, terminal);
}

Result<offload::OffloadResult> Execute(const OffloadFlags& flags, StopToken& stop, Terminal& terminal) {
  ARROW_ASSIGN_OR_RAISE(offload::OffloadRequest request, OffloadRequestOf(flags));
  SystemClock clock;
  ARROW_ASSIGN_OR_RAISE(TargetSide side, OpenTargetSide(flags.target, clock, stop, flags.dry_run));
  std::string without;
  if (!side.journal && !side.journal_error.ok()) {
    const Event event = JournalUnavailable(side.journal_error);
    without = event.message();
    terminal.Tell(event);
  }
  ARROW_ASSIGN_OR_RAISE(auto source, OpenSourceOf(flags.source, stop));
  offload::OffloadContext context{*source, *side.catalog, *side.file_io, side.journal.get(), clock, stop, terminal};
  auto result = offload::OffloadTable(context, request);
  if (result.ok() && !without.empty()) result->notes.push_back(std::move(without));
  return result;
}

int RunOffload(const OffloadFlags& flags, StopToken& stop) {
  Terminal terminal(TerminalOptionsOf(flags.output));
  const TimestampMicros started = SystemClock().Now();
  auto result = Execute(flags, stop, terminal);
  TellMetrics(flags, result, started, terminal);
  terminal.EndProgress();
  int code = ExitCodeOf(result.status(), stop);
  if (!result.ok()) {
    terminal.Error(WithContext(result.status(), fmt::format("{} -> {}", flags.source_table, flags.target_table)));
    if (flags.output.json) {
      Json json = {{"table", flags.source_table},
                   {"target", flags.target_table},
                   {"error", ErrorJson(result.status())},
                   {"exit_code", code}};
      PrintJson(json);
    }
    return code;
  }
  if (!result->held_by) {
    Event event = TableDoneEvent(*result, flags.source_table, flags.dry_run);
    event.Set(EventField::kTable, flags.source_table).Set(EventField::kLayer, flags.layer);
    terminal.TellResult(event);
  }
  if (flags.output.json) {
    PrintJson(ResultJson(*result, flags.dry_run));
  } else {
    PrintOffloadResult(*result, flags.dry_run);
  }
  return code;
}

}  // namespace

void AddOffloadCommand(CLI::App& app, RunCommand& run) {
  auto flags = std::make_shared<OffloadFlags>();
  CLI::App* command = app.add_subcommand("offload", "Moves one table's closed window into its Iceberg table");
  AddOffloadFlags(*command, *flags);
  AddCycleFlags(*command, *flags);
  AddSourceFlags(*command, flags->source);
  AddTargetFlags(*command, flags->target);
  AddOutputFlags(*command, flags->output);
  AddMetricsFileFlag(*command, flags->metrics_file);
  command->footer(fmt::format("{}\n{}", kOffloadFooter, kExitCodesHelp));
  command->callback([flags, &run] { run = [flags](StopToken& stop) { return RunOffload(*flags, stop); }; });
}

}  // namespace calve::cli
