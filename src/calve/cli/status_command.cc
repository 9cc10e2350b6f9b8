#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <thread>

#include "calve/cli/columns.h"
#include "calve/cli/command.h"
#include "calve/cli/exit_code.h"
#include "calve/cli/missing_table.h"
#include "calve/cli/session.h"
#include "calve/cli/status_table.h"
#include "calve/cli/watch_screen.h"
#include "calve/config/cadence.h"
#include "calve/config/load_config.h"
#include "calve/source/introspection.h"

namespace calve::cli {
namespace {

constexpr const char* kStatusFooter = R"(Examples:
  calve status --warehouse file:///srv/cold
  calve status --warehouse file:///srv/cold --target-table cold.bronze_trades --json
  calve status --config calve.yaml
  calve status --config calve.yaml --watch      again every 5 seconds, until Ctrl-C; --watch 1m: every minute
  calve status --warehouse file:///srv/cold --state postgresql://reader@db/platform

Watermark, rows, files and bytes come from the tables themselves; only the last run is the journal's.
STATE is fresh, behind or stale (by the limits of the alerts), running, failed (with the number of failures in a row), empty or
error. In a narrow terminal columns are shortened and left out; where stdout is none, all are there. --watch where stdout is no
terminal, or with --json, prints one after the other.)";

struct StatusFlags {
  TargetFlags target;
  OutputFlags output;
  std::vector<std::string> tables;
  std::string config;
  std::string watch;  // how often; empty: once
};

constexpr int64_t kWatchEveryMin = kMicrosPerSecond / 5;

std::string SummaryValue(const iceberg::Snapshot* snapshot, const char* key) {
  if (!snapshot) return "0";
  auto found = snapshot->summary.find(key);
  return std::string(found == snapshot->summary.end() ? "" : found->second);
}

TableStatus Look(TargetSide& side, const catalog::TableIdent& ident) {
  TableStatus status;
  status.table = ident.ToString();
  auto loaded = side.catalog->LoadTable(ident);
  status.error = ExplainMissingTable(loaded.status(), ident, *side.catalog);
  if (!loaded.ok()) return status;
  const iceberg::Snapshot* tip = loaded->metadata.CurrentSnapshot();
  if (tip) status.snapshot_id = tip->snapshot_id;
  status.rows = SummaryValue(tip, "total-records");
  status.files = SummaryValue(tip, "total-data-files");
  status.bytes = SummaryValue(tip, "total-files-size");
  status.snapshots = loaded->metadata.snapshots.size();
  auto watermark = offload::ReadWatermark(loaded->metadata);
  status.error = watermark.status();
  if (watermark.ok()) status.watermark = *watermark;
  if (side.journal) {
    auto runs = side.journal->LastRuns(status.table, 1);
    if (runs.ok() && !runs->empty()) status.last_run = runs->front();
    if (status.last_run) status.layer = status.last_run->layer;
    // A failure outside of a run (its source is away) is told in the mirror alone.
    const std::string source = status.watermark ? offload::SourceTableOf(status.watermark->stamp.source) : "";
    const auto row = source.empty() ? Result<std::optional<journal::WatermarkRow>>(std::nullopt)
                                    : side.journal->ReadWatermark(source::BareTableName(source));
    if (row.ok() && *row && (*row)->status == "failed") status.failures = (*row)->failure_count;
    const auto pauses = side.journal->ReadPauses();
    for (const journal::PausedTable& pause : pauses.ok() ? *pauses : std::vector<journal::PausedTable>()) {
      if (pause.table == status.table) status.paused_since = pause.since;
    }
  }
  return status;
}

Result<std::vector<catalog::TableIdent>> Tables(TargetSide& side, const StatusFlags& flags) {
  std::vector<catalog::TableIdent> idents;
  for (const std::string& text : flags.tables) {
    ARROW_ASSIGN_OR_RAISE(auto ident, catalog::ParseTableIdent(text, flags.target.catalog_name));
    idents.push_back(std::move(ident));
  }
  if (!idents.empty()) return idents;
  ARROW_ASSIGN_OR_RAISE(auto namespaces, side.catalog->ListNamespaces());
  for (const auto& levels : namespaces) {
    ARROW_ASSIGN_OR_RAISE(auto tables, side.catalog->ListTables(levels));
    idents.insert(idents.end(), tables.begin(), tables.end());
  }
  return idents;
}

// What a configuration says of its tables beside their targets.
void Complete(const config::Config& config, std::vector<TableStatus>& tables) {
  const auto cadence = config::CadenceOf(config.schedule);
  for (size_t i = 0; i < tables.size() && i < config.tables.size(); ++i) {
    const config::TableConfig& table = config.tables[i];
    tables[i].layer = table.layer;
    tables[i].delay_micros = table.buffer_micros + table.cursor.covers_micros;
    if (cadence.ok()) tables[i].interval_micros = config::LongestIntervalMicros(*cadence, SystemClock().Now());
  }
}

Result<std::vector<TableStatus>> Collect(const StatusFlags& flags, const StopToken& stop, Terminal& terminal) {
  SystemClock clock;
  std::optional<config::Config> config;
  std::vector<catalog::TableIdent> idents;
  if (!flags.config.empty()) {
    ARROW_ASSIGN_OR_RAISE(config, config::LoadConfig(flags.config, config::ProcessEnvironment()));
    for (const config::TableConfig& table : config->tables) idents.push_back(table.target);
  } else if (flags.target.warehouse.empty() && !catalog::IsRestCatalog(flags.target.catalog)) {
    return MakeError(ErrorKind::kConfig, "--warehouse is missing", "calve status --help has examples.");
  }
  ARROW_ASSIGN_OR_RAISE(TargetSide side, config ? OpenTargetSide(*config, clock, stop, /*read_only=*/true)
                                                : OpenTargetSide(flags.target, clock, stop, /*read_only=*/true));
  if (!side.journal && !side.journal_error.ok()) {
    terminal.Warn(fmt::format("the journal could not be opened: {}", MessageOf(side.journal_error)));
  }
  const bool is_configured = !idents.empty() && flags.tables.empty();
  if (!is_configured) {
    ARROW_ASSIGN_OR_RAISE(idents, Tables(side, flags));
  }
  std::vector<TableStatus> tables;
  for (const auto& ident : idents) tables.push_back(Look(side, ident));
  if (is_configured) Complete(*config, tables);
  return tables;
}

std::string AsJson(const std::vector<TableStatus>& tables, TimestampMicros now) {
  Json json;
  json["tables"] = Json::array();
  for (const TableStatus& s : tables) json["tables"].push_back(StatusJson(s, now));
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// Once: printed. The exit code.
int ShowOnce(const StatusFlags& flags, StopToken& stop, Terminal& terminal) {
  auto tables = Collect(flags, stop, terminal);
  if (!tables.ok()) {
    terminal.Error(tables.status());
    return ExitCodeOf(tables.status(), stop);
  }
  TimestampMicros now = SystemClock().Now();
  int code = kExitDone;
  for (const TableStatus& s : *tables) {
    if (s.error.ok()) continue;
    terminal.Error(WithContext(s.error, s.table));
    code = tables->size() == 1 ? ExitCodeOf(s.error, stop) : kExitSomeFailed;
  }
  if (flags.output.json) {
    std::printf("%s\n", AsJson(*tables, now).c_str());
  } else {
    StatusTableOptions options;
    if (isatty(STDOUT_FILENO) != 0) options.width = SizeOf(STDOUT_FILENO, {80, 24}).columns;
    options.color = MayColor(STDOUT_FILENO);
    for (const std::string& line : StatusLines(*tables, now, options)) std::printf("%s\n", line.c_str());
  }
  std::fflush(stdout);
  return code;
}

// The screen's lines at this moment: what cannot be read now may be there the next time.
std::vector<std::string> ScreenLines(const StatusFlags& flags, const std::string& every, StopToken& stop,
                                     Terminal& silent) {
  const size_t width = SizeOf(STDOUT_FILENO, {80, 24}).columns;
  auto tables = Collect(flags, stop, silent);
  const TimestampMicros now = SystemClock().Now();
  std::vector<std::string> lines = {
      Fitted(fmt::format("calve status  {}Z  every {}, Ctrl-C ends", FormatTimestamp(now).substr(0, 19), every), width),
      ""};
  const auto tell = [&](const Status& error) {
    lines.push_back(Fitted("error: " + Neutralised(MessageOf(error)), width));
    if (!RemedyOf(error).empty()) lines.push_back(Fitted("  remedy: " + Neutralised(RemedyOf(error)), width));
  };
  if (!tables.ok()) {
    tell(tables.status());
    return lines;
  }
  for (std::string& line : StatusLines(*tables, now, {width, MayColor(STDOUT_FILENO)}))
    lines.push_back(std::move(line));
  for (const TableStatus& s : *tables) {
    if (!s.error.ok()) tell(WithContext(s.error, s.table));
  }
  return lines;
}

// Again and again until it is told to stop.
Result<int> Watch(const StatusFlags& flags, StopToken& stop, Terminal& terminal) {
  ARROW_ASSIGN_OR_RAISE(const int64_t every, ParseDuration(flags.watch));
  if (every < kWatchEveryMin) {
    return MakeError(ErrorKind::kConfig, fmt::format("--watch {} is too often", flags.watch), "Say 200ms or more.");
  }
  std::optional<WatchScreen> screen;
  const bool draws = !flags.output.json && MayRedraw(STDOUT_FILENO);
  if (draws) screen.emplace(stop);
  TerminalOptions quiet = TerminalOptionsOf(flags.output);
  quiet.verbosity = Verbosity::kNone;
  Terminal silent(quiet);
  std::vector<std::string> lines;
  const auto goes_on = [&] { return !stop.stopped() && !(screen && screen->hung_up()); };
  while (goes_on()) {
    const auto next = std::chrono::steady_clock::now() + std::chrono::microseconds(every);
    if (draws) {
      lines = ScreenLines(flags, flags.watch, stop, silent);
      screen->Show(lines);
    } else {
      ShowOnce(flags, stop, terminal);
      if (!flags.output.json) std::printf("\n");
      std::fflush(stdout);
      if (std::ferror(stdout) != 0) return static_cast<int>(kExitFailed);  // nobody reads any more
    }
    while (goes_on() && std::chrono::steady_clock::now() < next) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  }
  const bool hung_up = screen && screen->hung_up();
  screen.reset();
  return hung_up ? 128 + SIGHUP : ExitCodeOf(stop.Check(), stop);
}

int RunStatus(const StatusFlags& flags, StopToken& stop) {
  Terminal terminal(TerminalOptionsOf(flags.output));
  if (flags.watch.empty()) return ShowOnce(flags, stop, terminal);
  auto watched = Watch(flags, stop, terminal);
  if (watched.ok()) return *watched;
  terminal.Error(watched.status());
  return ExitCodeOf(watched.status(), stop);
}

}  // namespace

void AddStatusCommand(CLI::App& app, RunCommand& run) {
  auto flags = std::make_shared<StatusFlags>();
  CLI::App* command = app.add_subcommand("status", "Watermark, lag, last run, rows, files and bytes of each table");
  command->add_option("--target-table", flags->tables, "this table only; repeatable");
  command->add_option("--config", flags->config, "the tables of this configuration file, in its order");
  command
      ->add_option_function<std::string>(
          "--watch", [flags](const std::string& every) { flags->watch = every.empty() ? "5s" : every; },
          "show it again and again: every 5s, or as often as it says")
      ->expected(0, 1)
      ->type_name("[EVERY]")
      ->trigger_on_parse();
  AddTargetFlags(*command, flags->target);
  command->get_option("--warehouse")->required(false);
  AddOutputFlags(*command, flags->output);
  command->footer(fmt::format("{}\n{}", kStatusFooter, kExitCodesHelp));
  command->callback([flags, &run] { run = [flags](StopToken& stop) { return RunStatus(*flags, stop); }; });
}

}  // namespace calve::cli
