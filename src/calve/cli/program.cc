#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>

#include "calve/cli/command.h"
#include "calve/cli/exit_code.h"
#include "calve/cli/signals.h"

namespace calve::cli {

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
  AddStatusCommand(app, run);
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
