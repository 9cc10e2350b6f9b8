#include <nlohmann/json.hpp>
#include <utility>

#include "calve/cli/command.h"
#include "calve/cli/cycle_terminal.h"
#include "calve/cli/exit_code.h"
#include "calve/cli/json_output.h"
#include "calve/cli/offload_report.h"
#include "calve/cli/session.h"
#include "calve/cli/slice_jobs.h"
#include "calve/cli/slice_output.h"
#include "calve/cli/table_choice.h"
#include "calve/config/load_config.h"
#include "calve/offload/plan_commit.h"
#include "calve/offload/slice_lines.h"

namespace calve::cli {
namespace {

constexpr const char* kCommitFooter = R"(Examples:
  calve commit --warehouse s3://lake/cold --state postgresql://calve@db/platform < written
  calve commit --config calve.yaml --json < written

Reads the lines that calve write-slice printed, in any order, and commits what they hold in one snapshot, once it is certain
that every slice of the plan is there once, with the rows and the fingerprint that ClickHouse counted, that every file is
there, and that the watermark has not moved. Otherwise nothing is committed, and the plan is given up with all its files
(--keep: not where only the lines are wrong). Done before: says so, and exits with 0.)";

struct CommitFlags {
  std::string config, plan;
  bool keep = false;
  TargetFlags target;
  OutputFlags output;
};

Result<TargetSide> OpenSide(const CommitFlags& flags, bool read_only, const Clock& clock, StopToken& stop) {
  const NeededOption place = PlaceOption(flags.target);
  if (flags.config.empty()) {
    ARROW_RETURN_NOT_OK(CheckTableChoice({}, "commit", {place}));
    return OpenTargetSide(flags.target, clock, stop, read_only);
  }
  ARROW_RETURN_NOT_OK(CheckTableChoice({flags.config, {}}, "commit", {place}));
  ARROW_ASSIGN_OR_RAISE(const config::Config config, config::LoadConfig(flags.config, config::ProcessEnvironment()));
  return OpenTargetSide(config, clock, stop, read_only);
}

Result<int> CommitOffload(const TargetSide& side, const JobLines& given, bool json, Terminal& terminal) {
  const SystemClock clock;
  if (!side.journal_error.ok()) terminal.Tell(JournalUnavailable(side.journal_error));
  const offload::PlanCommitContext context{*side.catalog, *side.file_io, side.journal.get(), clock, terminal};
  offload::PlanCommitRequest request;
  request.plan = given.plan;
  request.keep = given.keep;
  request.lines = given.lines;
  ARROW_ASSIGN_OR_RAISE(const offload::OffloadResult result, offload::CommitPlan(context, request));
  terminal.EndProgress();
  terminal.TellResult(TableDoneEvent(result, result.table, /*dry_run=*/false));
  if (json) {
    PrintJson(ResultJson(result, /*dry_run=*/false));
  } else {
    PrintOffloadResult(result, /*dry_run=*/false);
  }
  return kExitDone;
}

Result<int> Commit(const CommitFlags& flags, StopToken& stop, Terminal& terminal) {
  JobLines given{{}, flags.plan, flags.keep};
  ARROW_RETURN_NOT_OK(ForEachLine(stop, [&](const std::string& line) {
    given.lines.push_back(line);
    return Status::OK();
  }));
  const SystemClock clock;
  std::string job = JobOfLines(given.lines);
  // Only an offload is put into the journal.
  const bool read_only = !job.empty() && job != offload::kOffloadJob;
  ARROW_ASSIGN_OR_RAISE(const TargetSide side, OpenSide(flags, read_only, clock, stop));
  if (job.empty()) job = JobOfPlan(*side.file_io, given.plan);
  if (job != offload::kOffloadJob) return CommitJob(side, job, given, flags.output.json, terminal);
  return CommitOffload(side, given, flags.output.json, terminal);
}

int RunCommit(const CommitFlags& flags, StopToken& stop) {
  Terminal terminal(TerminalOptionsOf(flags.output));
  const auto code = Commit(flags, stop, terminal);
  terminal.EndProgress();
  if (code.ok()) return *code;
  const int failed = ExitCodeOf(code.status(), stop);
  terminal.Error(WithContext(code.status(), "commit"));
  if (flags.output.json) PrintJson({{"error", ErrorJson(code.status())}, {"exit_code", failed}});
  return failed;
}

}  // namespace

void AddCommitCommand(CLI::App& app, RunCommand& run) {
  auto flags = std::make_shared<CommitFlags>();
  CLI::App* command = app.add_subcommand("commit", "Commits a plan's written slices in one snapshot");
  command->add_option("--plan", flags->plan, "the plan's location (default: that of the first line)");
  command->add_flag(
      "--keep", flags->keep,
      "where lines are missing or wrong, keep the plan and its files, for another try with the right ones");
  AddTargetFlags(*command, flags->target);
  command->add_option("--config", flags->config, "catalog, store and state of this configuration file")
      ->envname("CALVE_CONFIG");
  for (CLI::Option* option : command->get_options()) {
    if (option->check_lname("warehouse")) option->required(false);
  }
  AddOutputFlags(*command, flags->output);
  command->footer(fmt::format("{}\n{}", kCommitFooter, kExitCodesHelp));
  command->callback([flags, &run] { run = [flags](StopToken& stop) { return RunCommit(*flags, stop); }; });
}

}  // namespace calve::cli
