#include <cstdio>

#include "calve/cli/command.h"
#include "calve/cli/exit_code.h"
#include "calve/cli/maintain_output.h"
#include "calve/cli/maintain_plan.h"
#include "calve/cli/metrics_output.h"
#include "calve/cli/missing_table.h"
#include "calve/cli/session.h"
#include "calve/cli/table_choice.h"
#include "calve/serve/maintenance_metrics.h"

namespace calve::cli {
namespace {

constexpr const char* kMaintainFooter = R"(Examples:
  calve maintain --config calve.yaml      every table of the configuration, as its `maintain:` says
  calve maintain --config calve.yaml --table bronze_trades --expire --dry-run
  calve maintain --warehouse file:///srv/cold --target-table cold.bronze_trades --compact --manifests
  calve maintain --warehouse file:///srv/cold --target-table cold.bronze_trades --expire --keep-snapshots 100 --dry-run
  calve maintain --warehouse file:///srv/cold --target-table cold.bronze_trades --orphans --older-than 7d --json

Several of these may be asked for at once; they are done in this order. With --config and none of them, each table gets
what its `maintain:` says: all but --statistics where it says nothing. `calve serve` does the same between cycles where the
configuration has schedule.maintain_every.

--compact writes small data files of a partition (below three quarters of --target-size) anew as fewer large ones, where
there are --min-files of them or they hold more than one large file. Rows that delete files take out are left out; rows
are sorted where the table has a sort order and a quarter of --memory holds those of a group. What was written is read
back, and committed only if count and content of the rows are the same; files that others changed meanwhile stay as they
are. The old files go when --expire ends the snapshots that have them. Files of an older partition spec are left alone,
and so are tables of format version 3.

--manifests joins small manifests, five or more, and puts their entries into the order of partitions, so that a reader
opens few of them. Rows, files and their sequence numbers stay as they are, and the watermark where it is.

--expire ends snapshots that are older than --snapshots-older-than, as Iceberg's retention policy has it: of every
branch the newest --keep-snapshots stay, and what branches, tags and the table's history.expire.* properties say of
themselves. What calve reads its watermark from stays: main back to its newest window. Files that only expired snapshots
refer to are deleted once the commit is proven; a table with gc.enabled=false is refused.

--statistics reads every row and leaves a theta sketch of each column that is not nested in a Puffin file, as Iceberg's
compute_table_stats does: the number of distinct values, within 2 % where there are more than 4096. A snapshot that has
statistics already is not read again.

--orphans removes files below the table's data and metadata folders that its metadata does not refer to: what runs left
that were killed, and what belonged to expired snapshots. Only files older than --older-than are removed, because those
of a run that is still writing are referred to by nothing yet; choose it longer than any run of any engine takes.
Hidden files and the vN.metadata.json and version-hint.text of a hadoop catalog are left alone. Where any part of the
metadata cannot be read, nothing is removed. In an object store uploads of that age that were never finished are aborted.)";

struct MaintainCommandFlags {
  TargetFlags target;
  OutputFlags output;
  TableChoice choice;
  MaintainFlags maintain;
  std::vector<std::string> tables;
  std::string metrics_file;
};

struct Job {
  catalog::TableIdent ident;
  std::string name;  // in the configuration; empty: there is none
  maintain::MaintenancePlan plan;
};

Result<std::vector<Job>> JobsOf(const MaintainCommandFlags& flags, const OpenedTables& sides) {
  std::vector<Job> jobs;
  for (const size_t i : sides.chosen) {
    const config::TableConfig& table = sides.config->tables[i];
    ARROW_ASSIGN_OR_RAISE(auto plan, PlanOf(flags.maintain, *sides.config, table));
    jobs.push_back({table.target, table.name, std::move(plan)});
  }
  if (sides.config) return jobs;
  ARROW_ASSIGN_OR_RAISE(const config::CatalogConfig catalog, CatalogConfigOf(flags.target));
  ARROW_ASSIGN_OR_RAISE(const auto plan, PlanOf(flags.maintain, catalog));
  for (const std::string& text : flags.tables) {
    ARROW_ASSIGN_OR_RAISE(auto ident, catalog::ParseTableIdent(text, flags.target.catalog_name));
    jobs.push_back({std::move(ident), "", plan});
  }
  return jobs;
}

Json JobJson(const Job& job, const maintain::MaintenanceReport& report) {
  Json json = {{"table", job.ident.ToString()}};
  if (!job.name.empty()) json["name"] = job.name;
  json.update(MaintenanceJson(report));
  json["dry_run"] = job.plan.dry_run;
  return json;
}

int MaintainOne(const MaintainCommandFlags& flags, const OpenedTables& sides, const Job& job, FindingsFile& findings,
                const StopToken& stop, Terminal& terminal, Json& json) {
  const SystemClock clock;
  const std::string& name = job.name.empty() ? job.ident.ToString() : job.name;
  const TimestampMicros began = clock.Now();
  maintain::MaintenancePlan plan = job.plan;
  plan.progress = &terminal;
  auto report = maintain::MaintainTable(*sides.target.catalog, *sides.target.file_io, clock, stop, job.ident, plan);
  report.status = ExplainMissingTable(report.status, job.ident, *sides.target.catalog);
  terminal.EndProgress();
  const TimestampMicros ended = clock.Now();
  if (!job.plan.dry_run && !report.absent) {
    findings.Add([=](serve::MetricSet& set) { serve::AddMaintained(set, name, report, {began, ended}); });
  }
  if (!report.status.ok()) terminal.Error(WithContext(report.status, name));
  if (report.status.ok()) {
    terminal.TellResult(MaintainedEvent(name, report, static_cast<double>(ended - began) / 1e6));
  }
  for (const std::string& note : NotesOf(report)) terminal.Warn(fmt::format("{}: {}", name, note));
  if (flags.output.json) {
    json["tables"].push_back(JobJson(job, report));
  } else {
    MaintainOutputOptions options{job.plan.dry_run, job.plan.dry_run || flags.output.verbose, ""};
    if (job.plan.orphans) options.orphan_age = FormatDuration(job.plan.orphans->age_min_ms * 1000);
    for (const std::string& line : MaintenanceText(report, options)) {
      std::printf("%s%s\n", line.starts_with("  ") ? "" : (name + ": ").c_str(), line.c_str());
    }
  }
  return ExitCodeOf(report.status, stop);
}

Result<int> Maintain(const MaintainCommandFlags& flags, StopToken& stop, Terminal& terminal) {
  ARROW_RETURN_NOT_OK(CheckTableChoice(
      flags.choice, "maintain",
      {PlaceOption(flags.target), {"--target-table", flags.tables.empty() ? std::string() : flags.tables.front()}}));
  if (flags.choice.config.empty()) {
    // What is asked for is judged before anything is opened.
    ARROW_ASSIGN_OR_RAISE(const config::CatalogConfig catalog, CatalogConfigOf(flags.target));
    ARROW_RETURN_NOT_OK(PlanOf(flags.maintain, catalog).status());
  }
  const SystemClock clock;
  ARROW_ASSIGN_OR_RAISE(const OpenedTables sides,
                        OpenTables(flags.choice, SourceFlags{}, flags.target, /*with_source=*/false,
                                   /*read_only=*/true, clock, stop));
  ARROW_ASSIGN_OR_RAISE(const std::vector<Job> jobs, JobsOf(flags, sides));
  const config::Config* config = sides.config ? &*sides.config : nullptr;
  FindingsFile findings(MetricsFileOf(flags.metrics_file, config, "maintain"), serve::MaintenanceDescriptions(),
                        config);
  Json json = {{"tables", Json::array()}};
  ExitCodes codes;
  for (const Job& job : jobs) codes.Add(MaintainOne(flags, sides, job, findings, stop, terminal, json));
  findings.Write(terminal);
  const int code = stop.stopped() ? ExitCodeOf(stop.Check(), stop) : codes.code();
  json["exit_code"] = code;
  if (flags.output.json) PrintJson(json);
  return code;
}

int RunMaintain(const MaintainCommandFlags& flags, StopToken& stop) {
  Terminal terminal(TerminalOptionsOf(flags.output));
  const auto code = Maintain(flags, stop, terminal);
  if (code.ok()) return *code;
  terminal.Error(code.status());
  const int failed = ExitCodeOf(code.status(), stop);
  if (flags.output.json) PrintJson({{"error", ErrorJson(code.status())}, {"exit_code", failed}});
  return failed;
}

void AddActionFlags(CLI::App& command, MaintainFlags& flags) {
  command.add_flag("--compact", flags.compact, "write small data files anew as fewer large ones");
  command.add_option("--target-size", flags.target_size,
                     "of --compact: a file's size; without it the table's write.target-file-size-bytes, or 512MiB");
  command.add_option("--min-files", flags.min_files,
                     fmt::format("of --compact: so many small files are worth it [{}]", maintain::kCompactFilesMin));
  command.add_option("--memory", flags.memory,
                     "of --compact: for sorting and for files that are written [512MiB, or the configuration's]");
  command.add_flag("--manifests", flags.manifests, "join small manifests, where there are five or more");
  command.add_flag("--expire", flags.expire, "end old snapshots, and delete what only they refer to");
  command.add_option("--snapshots-older-than", flags.snapshots_older_than,
                     "end snapshots that are older; without it the table's history.expire.max-snapshot-age-ms, or 5d");
  command.add_option("--keep-snapshots", flags.keep_snapshots,
                     "keep as many of every branch, however old; without it the table's "
                     "history.expire.min-snapshots-to-keep, or 1");
  command.add_flag("--statistics", flags.statistics,
                   "count each column's distinct values, for engines that plan by it");
  command.add_flag("--orphans", flags.orphans, "remove files that the table's metadata does not refer to");
  command.add_option("--older-than", flags.older_than,
                     "of --orphans: leave files alone that are not older; at least 24h [3d]");
  command.add_flag("--no-live-writers", flags.no_live_writers,
                   "nothing else writes to the table now: allow an --older-than of less than 24h");
  command.add_flag("--dry-run", flags.dry_run, "say what would be done, and do nothing");
}

}  // namespace

void AddMaintainCommand(CLI::App& app, RunCommand& run) {
  auto flags = std::make_shared<MaintainCommandFlags>();
  CLI::App* command =
      app.add_subcommand("maintain", "Compacts data files, joins manifests, expires snapshots, removes orphans");
  command->add_option("--target-table", flags->tables, "Iceberg table: namespace.table; repeatable");
  AddActionFlags(*command, flags->maintain);
  AddTargetFlags(*command, flags->target);
  AddTableChoice(*command, "Table", flags->choice);
  AddOutputFlags(*command, flags->output);
  AddMetricsFileFlag(*command, flags->metrics_file);
  command->footer(fmt::format("{}\n{}", kMaintainFooter, kExitCodesHelp));
  command->callback([flags, &run] { run = [flags](StopToken& stop) { return RunMaintain(*flags, stop); }; });
}

}  // namespace calve::cli
