#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "calve/cli/command.h"
#include "calve/cli/exit_code.h"
#include "calve/cli/json_output.h"
#include "calve/cli/session.h"
#include "calve/config/load_config.h"
#include "calve/doctor/doctor.h"

namespace calve::cli {
namespace {

using doctor::Finding;
using doctor::Level;

constexpr const char* kDoctorFooter = R"(Examples:
  calve doctor                            everything that a cycle over calve.yaml needs
  calve doctor --config /etc/calve.yaml --json
  calve doctor --table silver_trades      of the tables, this one only
  calve doctor --retire                   also whether `calve retire` may drop parts

Looked at: ClickHouse (does it answer, its version and clock), the warehouse (can files be made, read and deleted), catalog,
journal and schedule, and for each table what its next cycle would do, and what its TTL, the user's rights and row policies
take away. Nothing is changed; a hidden file is made in the warehouse and deleted again. With -q only what is wrong is printed (docs/doctor.md).)";

constexpr const char* kDoctorExitCodes =
    "Exit codes: 0 a cycle would work (there may be warnings), 1 something has to be mended first, 2 bad usage or "
    "configuration, 130/143 stopped by a signal.";

struct DoctorFlags {
  OutputFlags output;
  std::string config = "calve.yaml";
  std::vector<std::string> tables;
  bool retire = false;
};

class Findings {
 public:
  explicit Findings(const OutputFlags& output) : output_(output) {}

  void Add(Finding finding) {
    if (!output_.json && (!output_.quiet || finding.level != Level::kOk)) Print(finding);
    findings_.push_back(std::move(finding));
  }
  size_t Count(Level level) const {
    return std::count_if(findings_.begin(), findings_.end(), [&](const Finding& f) { return f.level == level; });
  }
  const std::vector<Finding>& all() const { return findings_; }

 private:
  static void Print(const Finding& finding) {
    std::printf("%-8s %s: %s\n", doctor::LevelName(finding.level), finding.about.c_str(), finding.message.c_str());
    if (!finding.remedy.empty()) std::printf("         %s\n", finding.remedy.c_str());
    std::fflush(stdout);  // the next check may take a while
  }

  const OutputFlags& output_;
  std::vector<Finding> findings_;
};

// One thing after the other: what fails says what the next ones could not be asked.
Status Examine(const DoctorFlags& flags, StopToken& stop, Findings& findings) {
  ARROW_ASSIGN_OR_RAISE(const config::Config config, config::LoadConfig(flags.config, config::ProcessEnvironment()));
  ARROW_ASSIGN_OR_RAISE(const auto tables, cycle::ChooseTables(config, flags.tables));
  SystemClock clock;
  int64_t gap_micros = 0;
  findings.Add(doctor::CheckSchedule(config.schedule, clock.Now(), gap_micros));
  auto source = OpenSourceOf(config.source, stop);
  doctor::ServerFindings server;
  if (source.ok())
    server = doctor::CheckServer(**source, config.limits, clock);
  else
    server.findings = {doctor::Failed("source", source.status())};
  for (Finding& finding : server.findings) findings.Add(std::move(finding));
  ARROW_RETURN_NOT_OK(stop.Check());
  auto side = OpenTargetSide(config, clock, stop, /*read_only=*/true);
  if (!side.ok()) {
    findings.Add(doctor::Failed("target", side.status()));
    return Status::OK();
  }
  // Where tables lie, and who may write there, a REST catalog says with each of them.
  if (!config.catalog.is_rest()) {
    findings.Add(doctor::CheckStore("warehouse", *side->file_io, config.catalog.warehouse));
  }
  findings.Add(doctor::CheckCatalog(*side->catalog));
  if (auto commit = doctor::CheckCommit(*side->catalog, config.commit)) findings.Add(std::move(*commit));
  findings.Add(doctor::CheckJournal(side->journal.get(), side->journal_error));
  for (auto [about, uri] : {std::pair("catalog", config.catalog.type), std::pair("journal", config.state.url)}) {
    if (auto finding = doctor::CheckDatabaseUri(about, uri)) findings.Add(std::move(*finding));
  }
  if (!server.now) return Status::OK();  // tables are planned by what ClickHouse says
  const cycle::CycleContext context{**source, *side->catalog, *side->file_io, side->journal.get(), clock, stop};
  const auto work = cycle::OffloadWork(context, config.limits);
  for (const size_t table : tables) {
    ARROW_RETURN_NOT_OK(stop.Check());
    const doctor::CheckOptions options{*server.now, gap_micros, flags.retire};
    for (Finding& finding : doctor::CheckTable(config.tables[table], context, *work, options)) {
      findings.Add(std::move(finding));
    }
  }
  return Status::OK();
}

int Run(const DoctorFlags& flags, StopToken& stop) {
  Terminal terminal(TerminalOptionsOf(flags.output));
  Findings findings(flags.output);
  const Status examined = Examine(flags, stop, findings);
  const size_t errors = findings.Count(Level::kError), warnings = findings.Count(Level::kWarning);
  const int code = !examined.ok() ? ExitCodeOf(examined, stop) : errors > 0 ? kExitFailed : kExitDone;
  if (!examined.ok()) terminal.Error(examined);
  if (flags.output.json) {
    Json json = {{"file", flags.config}, {"errors", errors}, {"warnings", warnings}};
    json["findings"] = Json::array();
    for (const Finding& finding : findings.all()) {
      json["findings"].push_back({{"level", doctor::LevelName(finding.level)},
                                  {"about", finding.about},
                                  {"message", finding.message},
                                  {"remedy", finding.remedy}});
    }
    if (!examined.ok()) json["error"] = ErrorJson(examined);
    json["exit_code"] = code;
    PrintJson(json);
  } else if (examined.ok() && !flags.output.quiet) {
    std::printf("calve doctor: %s (%zu error%s, %zu warning%s)\n",
                errors > 0 ? "to be mended before a cycle works" : "a cycle would work", errors, errors == 1 ? "" : "s",
                warnings, warnings == 1 ? "" : "s");
  }
  return code;
}

}  // namespace

void AddDoctorCommand(CLI::App& app, RunCommand& run) {
  auto flags = std::make_shared<DoctorFlags>();
  CLI::App* command = app.add_subcommand("doctor", "Checks everything that a cycle needs, and says how to mend it");
  AddConfigFlag(*command, flags->config);
  command->add_option("--table", flags->tables, "of the tables, this one only, by its name; repeatable");
  command->add_flag("--retire", flags->retire, "also look whether `calve retire` may drop parts of the tables");
  AddOutputFlags(*command, flags->output);
  command->footer(fmt::format("{}\n{}", kDoctorFooter, kDoctorExitCodes));
  command->callback([flags, &run] { run = [flags](StopToken& stop) { return Run(*flags, stop); }; });
}

}  // namespace calve::cli
