#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>

#include "calve/cli/command.h"
#include "calve/cli/exit_code.h"
#include "calve/cli/signals.h"

namespace calve::cli {
namespace {

bool IsCommand(const CLI::App& app, const std::string& name) {
  for (const CLI::App* command : app.get_subcommands({})) {
    if (command->get_name() == name) return true;
  }
  return false;
}

}  // namespace

int RunProgram(int argc, char** argv) {
  CLI::App app{"calve moves closed time windows of ClickHouse tables into Apache Iceberg tables, exactly once.",
               "calve"};
  app.set_version_flag("--version", "calve " CALVE_VERSION);
  app.require_subcommand(1);
  app.footer(fmt::format(
      "`calve COMMAND --help` explains each. Options can be given as variables, CALVE_WAREHOUSE for --warehouse.\n{}",
      kExitCodesHelp));
  RunCommand run;
  AddOffloadCommand(app, run);
  AddRunCommand(app, run);
  AddServeCommand(app, run);
  AddStatusCommand(app, run);
  AddViewCommand(app, run);
  AddVerifyCommand(app, run);
  AddRestoreCommand(app, run);
  AddRetireCommand(app, run);
  AddMaintainCommand(app, run);
  AddConfigCommand(app, run);
  AddInitCommand(app, run);
  AddDoctorCommand(app, run);
  if (argc > 1 && argv[1][0] != '-' && !IsCommand(app, argv[1])) {
    std::string names;
    for (const CLI::App* command : app.get_subcommands({})) names += (names.empty() ? "" : ", ") + command->get_name();
    std::fprintf(stderr, "calve: error: '%s' is no command; there are: %s\n", argv[1], names.c_str());
    return kExitUsage;
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    bool asked = error.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success);  // --help, --version
    app.exit(error);
    return asked ? kExitDone : kExitUsage;
  }
  StopToken stop;
  SignalWatch watch(stop);
  return run(stop);
}

}  // namespace calve::cli
