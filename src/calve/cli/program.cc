#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <exception>
#include <fstream>

#include "calve/cli/command.h"
#include "calve/cli/completion.h"
#include "calve/cli/exit_code.h"
#include "calve/cli/manual.h"
#include "calve/cli/signals.h"
#include "calve/config/load_config.h"

namespace calve::cli {
namespace {

bool IsCommand(const CLI::App& app, const std::string& name) {
  for (const CLI::App* command : app.get_subcommands({})) {
    if (command->get_name() == name) return true;
  }
  return false;
}

// The tables of a file, as shells complete them.
std::vector<std::string> TablesOf(const std::string& file) {
  std::vector<std::string> names;
  const auto config = config::LoadConfig(file, config::ProcessEnvironment());
  if (!config.ok()) return names;
  for (const config::TableConfig& table : config->tables) names.push_back(table.name);
  return names;
}

int WriteManual(const CLI::App& app, const BuildInfo& build, const std::string& folder) {
  for (const ManualPage& page : ManualPages(app, build)) {
    std::ofstream file(folder + "/" + page.name, std::ios::binary);
    if (!(file << page.text).flush()) {
      std::fprintf(stderr, "calve: error: %s/%s could not be written\n", folder.c_str(), page.name.c_str());
      return kExitFailed;
    }
  }
  return kExitDone;
}

// What shells and the build ask for, and people do not; nullopt: something else.
std::optional<int> RunForMachine(const CLI::App& app, const BuildInfo& build, const std::vector<std::string>& words) {
  if (words.empty()) return std::nullopt;
  if (words.front() == "__complete") {
    const std::vector<std::string> typed(words.begin() + 1, words.end());
    const std::string text = CompletionText(Complete(app, typed, TablesOf));
    std::fwrite(text.data(), 1, text.size(), stdout);
    return kExitDone;
  }
  if (words.front() == "__manual" && words.size() == 2) return WriteManual(app, build, words[1]);
  if (words == std::vector<std::string>{"--version", "--json"} ||
      words == std::vector<std::string>{"--json", "--version"}) {
    PrintJson(VersionJson(build, LibraryVersions()));
    return kExitDone;
  }
  return std::nullopt;
}

}  // namespace

void AddCommands(CLI::App& app, const BuildInfo& build, RunCommand& run) {
  app.set_version_flag("--version", [build] { return VersionText(build, LibraryVersions()); });
  app.get_option("--version")->description("versions of calve and of the libraries that it runs with (--json, too)");
  app.require_subcommand(1);
  app.footer(fmt::format(
      "`calve COMMAND --help` explains each. Options can be given as variables, CALVE_WAREHOUSE for --warehouse.\n{}",
      kExitCodesHelp));
  AddOffloadCommand(app, run);
  AddPlanCommand(app, run);
  AddWriteSliceCommand(app, run);
  AddCommitCommand(app, run);
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
  AddCompletionCommand(app, run);
}

int RunProgram(int argc, char** argv, const BuildInfo& build) {
  CLI::App app{"calve moves closed time windows of ClickHouse tables into Apache Iceberg tables, exactly once.",
               "calve"};
  RunCommand run;
  AddCommands(app, build, run);
  const std::vector<std::string> words(argv + std::min(argc, 1), argv + argc);
  if (const auto code = RunForMachine(app, build, words)) return *code;
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
