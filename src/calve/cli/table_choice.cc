#include "calve/cli/table_choice.h"

#include <algorithm>

#include "calve/cli/exit_code.h"
#include "calve/config/load_config.h"
#include "calve/cycle/cycle.h"

namespace calve::cli {

void AddTableChoice(CLI::App& command, const char* group, TableChoice& choice) {
  command
      .add_option("--config", choice.config,
                  "the tables of this configuration file, in place of the options that say "
                  "where they are and how they were offloaded")
      ->group(group);
  command.add_option("--table", choice.tables, "with --config: this table only, by its name; repeatable")->group(group);
  for (CLI::Option* option : command.get_options()) {
    for (const char* name : {"source", "warehouse", "source-table", "target-table", "timestamp-col"}) {
      if (option->check_lname(name)) option->required(false);
    }
  }
}

NeededOption PlaceOption(const TargetFlags& flags) {
  if (flags.warehouse.empty() && catalog::IsRestCatalog(flags.catalog)) return {"--catalog", flags.catalog};
  return {"--warehouse", flags.warehouse};
}

Status CheckTableChoice(const TableChoice& choice, const char* command, std::initializer_list<NeededOption> needed) {
  const bool configured = !choice.config.empty();
  if (!configured && !choice.tables.empty()) {
    return MakeError(ErrorKind::kConfig, "--table names a table of a configuration, and --config is missing",
                     fmt::format("calve {} --help has examples.", command));
  }
  for (const auto& [option, value] : needed) {
    if (configured && !value.empty()) {
      return MakeError(ErrorKind::kConfig,
                       fmt::format("--config stands for source, target and tables, and {} is given as well", option),
                       "Leave out either (it may be a CALVE_* variable), and choose a table of the configuration with "
                       "--table NAME.");
    }
    if (!configured && value.empty()) {
      return MakeError(ErrorKind::kConfig, fmt::format("{} is missing", option),
                       fmt::format("calve {} --help has examples.", command));
    }
  }
  return Status::OK();
}

Result<OpenedTables> OpenTables(const TableChoice& choice, const SourceFlags& source, const TargetFlags& target,
                                bool with_source, bool read_only, const Clock& clock, StopToken& stop) {
  OpenedTables opened;
  if (!choice.config.empty()) {
    ARROW_ASSIGN_OR_RAISE(opened.config, config::LoadConfig(choice.config, config::ProcessEnvironment()));
    ARROW_ASSIGN_OR_RAISE(opened.chosen, cycle::ChooseTables(*opened.config, choice.tables));
    ARROW_ASSIGN_OR_RAISE(opened.target, OpenTargetSide(*opened.config, clock, stop, read_only));
    if (with_source) {
      ARROW_ASSIGN_OR_RAISE(opened.source, OpenSourceOf(opened.config->source, stop));
    }
    return opened;
  }
  ARROW_ASSIGN_OR_RAISE(opened.target, OpenTargetSide(target, clock, stop, read_only));
  if (with_source) {
    ARROW_ASSIGN_OR_RAISE(opened.source, OpenSourceOf(source, stop));
  }
  return opened;
}

Status CheckOneTable(const OpenedTables& sides) {
  if (!sides.config || sides.chosen.size() == 1) return Status::OK();
  return MakeError(ErrorKind::kConfig, fmt::format("a plan is of one table, and {} are chosen", sides.chosen.size()),
                   "Name it with --table.");
}

void ExitCodes::Add(int code) {
  ++count_;
  if (code == kExitDifference) ++different_;
  if (code == kExitDone || code == kExitDifference) return;
  ++failed_;
  last_failure_ = code;
}

int ExitCodes::code() const {
  if (different_ > 0) return kExitDifference;
  if (failed_ == 0) return kExitDone;
  return failed_ == count_ ? last_failure_ : kExitSomeFailed;
}

}  // namespace calve::cli
