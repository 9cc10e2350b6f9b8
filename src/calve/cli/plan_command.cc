#include <cstdio>
#include <utility>

#include "calve/cli/command.h"
#include "calve/cli/exit_code.h"
#include "calve/cli/missing_table.h"
#include "calve/cli/offload_flags.h"
#include "calve/cli/slice_jobs.h"
#include "calve/cli/slice_output.h"
#include "calve/cli/table_choice.h"
#include "calve/cycle/table_request.h"
#include "calve/offload/plan_slices.h"

namespace calve::cli {
namespace {

constexpr const char* kPlanFooter = R"(Examples:
  calve plan --source http://default@ch:8123/k2 --warehouse s3://lake/cold --state postgresql://calve@db/platform \
      --source-table trades --target-table cold.trades --timestamp-col ts > slices
  calve write-slice --source http://default@ch:8123/k2 < slices > written
  calve commit --warehouse s3://lake/cold --state postgresql://calve@db/platform < written
  calve plan --config calve.yaml --table silver_trades --slices 400
  calve plan --config calve.yaml --table silver_trades --job verify     compares hot with cold by slices
  calve plan --config calve.yaml --table silver_trades --job compact    small files anew as fewer, by slices

The window is frozen and cut into slices; what is printed is a line of JSON for each. `calve write-slice` makes data files
of them, anywhere and several at once, `calve commit` puts them into the table in one snapshot. Until then the plan stands
in the warehouse, and others leave the table alone. Nothing printed: nothing to do, or another calve is at work
(docs/slices.md).)";

struct PlanFlags {
  OffloadFlags table;
  JobFlags job;
  TableChoice choice;
  int64_t slices = 0, slice_rows = 5'000'000;
  bool resume = false, abandon = false;
  std::string lease = "6h";
};

void AddPlanFlags(CLI::App& command, PlanFlags& flags) {
  const char* group = "Plan";
  command.add_option("--slices", flags.slices, "about so many slices; 0: by --slice-rows")
      ->check(CLI::NonNegativeNumber)
      ->envname("CALVE_SLICES")
      ->capture_default_str()
      ->group(group);
  command.add_option("--slice-rows", flags.slice_rows, "at most about so many rows a slice")
      ->check(CLI::PositiveNumber)
      ->envname("CALVE_SLICE_ROWS")
      ->capture_default_str()
      ->group(group);
  command
      .add_flag("--resume", flags.resume,
                "where a plan of the table is open and still fits, print its lines again: for a driver that was "
                "started anew")
      ->group(group);
  command.add_flag("--abandon", flags.abandon, "give the table's open plans up, with all their files; print nothing")
      ->group(group);
  command
      .add_option("--lease", flags.lease,
                  "others that share the journal leave the table alone until the plan is committed or given up, and "
                  "at most for so long")
      ->capture_default_str()
      ->group(group);
}

Result<offload::OffloadRequest> RequestOf(const PlanFlags& flags, const OpenedTables& sides) {
  if (!sides.config) return OffloadRequestOf(flags.table);
  ARROW_RETURN_NOT_OK(CheckOneTable(sides));
  return cycle::RequestOf(sides.config->tables[sides.chosen.front()]);
}

Status Plan(const PlanFlags& flags, StopToken& stop, Terminal& terminal) {
  const OffloadFlags& table = flags.table;
  if (!flags.job.is_offload()) {
    return PlanJob(
        {flags.job, table, flags.choice, flags.slices, flags.slice_rows, flags.resume, flags.abandon, flags.lease},
        stop, terminal);
  }
  ARROW_RETURN_NOT_OK(CheckTableChoice(flags.choice, "plan",
                                       {{"--source", table.source.url},
                                        PlaceOption(table.target),
                                        {"--source-table", table.source_table},
                                        {"--target-table", table.target_table},
                                        {"--timestamp-col", table.timestamp_col}}));
  offload::PlanSlicesRequest options{flags.slices, flags.slice_rows, flags.resume};
  ARROW_ASSIGN_OR_RAISE(options.lease_micros, ParseDuration(flags.lease));
  const SystemClock clock;
  ARROW_ASSIGN_OR_RAISE(const OpenedTables sides, OpenTables(flags.choice, table.source, table.target,
                                                             /*with_source=*/true, /*read_only=*/false, clock, stop));
  ARROW_ASSIGN_OR_RAISE(const offload::OffloadRequest request, RequestOf(flags, sides));
  const TargetSide& side = sides.target;
  if (!side.journal_error.ok()) terminal.Tell(JournalUnavailable(side.journal_error));
  const offload::OffloadContext context{*sides.source, *side.catalog, *side.file_io, side.journal.get(),
                                        clock,         stop,          terminal};
  if (flags.abandon) {
    ARROW_ASSIGN_OR_RAISE(const int64_t count, offload::AbandonPlans(context, request));
    if (count == 0) terminal.Note(fmt::format("{} has no open plan", request.target.ToString()));
    return Status::OK();
  }
  auto planned = offload::PlanSlices(context, request, options);
  if (!planned.ok()) return ExplainMissingTable(planned.status(), request.target, *side.catalog);
  TellPlanned(*planned, request.target.ToString(), terminal);
  for (const std::string& line : planned->lines) PrintLine(line);
  return FlushLines();
}

int RunPlan(const PlanFlags& flags, StopToken& stop) {
  Terminal terminal(TerminalOptionsOf(flags.table.output));
  const Status done = Plan(flags, stop, terminal);
  terminal.EndProgress();
  const std::string& what = flags.choice.config.empty() ? flags.table.target_table : flags.choice.config;
  if (!done.ok()) terminal.Error(WithContext(done, what.empty() ? "plan" : "plan " + what));
  return ExitCodeOf(done, stop);
}

}  // namespace

void AddPlanCommand(CLI::App& app, RunCommand& run) {
  auto flags = std::make_shared<PlanFlags>();
  CLI::App* command =
      app.add_subcommand("plan", "Cuts one table's closed window into slices that others write (calve write-slice)");
  AddOffloadFlags(*command, flags->table);
  AddPlanFlags(*command, *flags);
  AddJobFlags(*command, flags->job);
  AddSourceFlags(*command, flags->table.source);
  AddTargetFlags(*command, flags->table.target);
  AddTableChoice(*command, "Table", flags->choice);
  AddOutputFlags(*command, flags->table.output);
  command->footer(fmt::format("{}\n{}", kPlanFooter, kExitCodesHelp));
  command->callback([flags, &run] { run = [flags](StopToken& stop) { return RunPlan(*flags, stop); }; });
}

}  // namespace calve::cli
