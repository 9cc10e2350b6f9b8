#include <cstdio>
#include <nlohmann/json.hpp>

#include "calve/base/random.h"
#include "calve/cli/command.h"
#include "calve/cli/cycle_terminal.h"
#include "calve/cli/exit_code.h"
#include "calve/cli/metrics_output.h"
#include "calve/cli/notify_output.h"
#include "calve/cli/session.h"
#include "calve/config/cadence.h"
#include "calve/config/load_config.h"

namespace calve::cli {
namespace {

constexpr const char* kRunFooter = R"(Examples:
  calve run                               one cycle over every table of calve.yaml
  calve run --config /etc/calve.yaml --json
  calve run --dry-run                     what would be done: windows, rows, columns added; nothing is changed
  calve run --table silver_trades         this table only; its window ends where those that it comes after do

Tables run in the order that the configuration gives them (layers, `after`), several at once; a table's window never reaches
past the watermarks of those that it comes after. A table that fails does not stop the others, but for those that come
after it: they are skipped, and say why. Run it from cron, a systemd timer, Airflow or Prefect as often as you like
(docs/orchestrators.md), also beside `calve serve`: a table that another calve works on is passed over.)";

constexpr const char* kExitCodes =
    "Exit codes: 0 done (also when there was nothing to do), 1 failed, 2 bad usage or configuration, 4 some tables "
    "failed and others did not, 130/143 stopped by a signal.";

struct RunFlags {
  OutputFlags output;
  std::string config = "calve.yaml", until, metrics_file;
  std::vector<std::string> tables;
  bool dry_run = false;
};

Result<cycle::CycleReport> Cycle(const RunFlags& flags, const config::Config& config, const std::string& cycle_id,
                                 StopToken& stop, Terminal& terminal) {
  cycle::CycleOptions options;
  ARROW_ASSIGN_OR_RAISE(options.tables, cycle::ChooseTables(config, flags.tables));
  if (!flags.until.empty()) {
    ARROW_ASSIGN_OR_RAISE(options.until, ParseTimestamp(flags.until));
  }
  options.dry_run = flags.dry_run;
  SystemClock clock;
  ARROW_ASSIGN_OR_RAISE(TargetSide side, OpenTargetSide(config, clock, stop, flags.dry_run));
  if (!side.journal && !side.journal_error.ok()) terminal.Tell(JournalUnavailable(side.journal_error));
  ARROW_ASSIGN_OR_RAISE(auto source, OpenSourceOf(config.source, stop));
  CycleTerminal reporter(terminal, config, flags.dry_run, cycle_id);
  return cycle::RunConfiguredCycle(config, options,
                                   {*source, *side.catalog, *side.file_io, side.journal.get(), clock, stop}, reporter);
}

Result<cycle::CycleReport> Execute(const RunFlags& flags, const std::string& cycle_id, StopToken& stop,
                                   Terminal& terminal) {
  ARROW_ASSIGN_OR_RAISE(const config::Config config, config::LoadConfig(flags.config, config::ProcessEnvironment()));
  auto report = Cycle(flags, config, cycle_id, stop, terminal);
  if (flags.dry_run) return report;
  NotifyOfCycle(config, report, cycle_id, terminal);
  ARROW_ASSIGN_OR_RAISE(const schedule::Cadence cadence, config::CadenceOf(config.schedule));
  WriteCycleMetrics(MetricsFileOf(flags.metrics_file, &config, "run"), serve::MeasuredTablesOf(config),
                    config::LongestIntervalMicros(cadence, SystemClock().Now()), report, terminal);
  return report;
}

int Run(const RunFlags& flags, StopToken& stop) {
  Terminal terminal(TerminalOptionsOf(flags.output));
  const std::string cycle_id = RandomUuid();
  auto report = Execute(flags, cycle_id, stop, terminal);
  terminal.EndProgress();
  if (!report.ok()) {
    terminal.Tell(Event::Of(EventKind::kCycleFailed, report.status()).Set(EventField::kCycle, cycle_id));
    const int code = ExitCodeOf(report.status(), stop);
    if (flags.output.json) PrintJson({{"error", ErrorJson(report.status())}, {"exit_code", code}});
    return code;
  }
  const int code = CycleExitCode(*report, stop);
  terminal.TellResult(CycleEndedEvent(*report, cycle_id));
  if (flags.output.json) {
    Json json = CycleJson(*report, flags.dry_run);
    json["exit_code"] = code;
    PrintJson(json);
  } else {
    std::printf("%s\n", CycleSummary(*report).c_str());
  }
  return code;
}

}  // namespace

void AddRunCommand(CLI::App& app, RunCommand& run) {
  auto flags = std::make_shared<RunFlags>();
  CLI::App* command = app.add_subcommand("run", "One cycle over every table of the configuration, in order");
  AddConfigFlag(*command, flags->config);
  command->add_option("--table", flags->tables, "this table only, by its name; repeatable");
  command->add_option("--until", flags->until, "end the windows here, if that is earlier: 2024-08-09T00:15:00Z");
  command->add_flag("--dry-run", flags->dry_run, "say what would be done, and change nothing");
  AddOutputFlags(*command, flags->output);
  AddMetricsFileFlag(*command, flags->metrics_file);
  command->footer(fmt::format("{}\n{}", kRunFooter, kExitCodes));
  command->callback([flags, &run] { run = [flags](StopToken& stop) { return Run(*flags, stop); }; });
}

}  // namespace calve::cli
