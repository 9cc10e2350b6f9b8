// The commands: each adds itself to the program and runs. A file per command.
#pragma once

#include <CLI/App.hpp>
#include <functional>
#include <memory>

#include "calve/base/stop.h"
#include "calve/cli/program_version.h"

namespace calve::cli {

// Runs the chosen command; the exit code.
using RunCommand = std::function<int(StopToken& stop)>;

// Each adds a subcommand to `app` and sets `run` when it is the chosen one.
void AddOffloadCommand(CLI::App& app, RunCommand& run);
void AddCommitCommand(CLI::App& app, RunCommand& run);
void AddCompletionCommand(CLI::App& app, RunCommand& run);
void AddConfigCommand(CLI::App& app, RunCommand& run);
void AddInitCommand(CLI::App& app, RunCommand& run);
void AddDoctorCommand(CLI::App& app, RunCommand& run);
void AddMaintainCommand(CLI::App& app, RunCommand& run);
void AddPlanCommand(CLI::App& app, RunCommand& run);
void AddRestoreCommand(CLI::App& app, RunCommand& run);
void AddRetireCommand(CLI::App& app, RunCommand& run);
void AddRunCommand(CLI::App& app, RunCommand& run);
void AddServeCommand(CLI::App& app, RunCommand& run);
void AddStatusCommand(CLI::App& app, RunCommand& run);
void AddViewCommand(CLI::App& app, RunCommand& run);
void AddVerifyCommand(CLI::App& app, RunCommand& run);
void AddWriteSliceCommand(CLI::App& app, RunCommand& run);

// All of them, and what the program itself has.
void AddCommands(CLI::App& app, const BuildInfo& build, RunCommand& run);

// The whole program: parses the command line and runs what it names.
int RunProgram(int argc, char** argv, const BuildInfo& build);

}  // namespace calve::cli
