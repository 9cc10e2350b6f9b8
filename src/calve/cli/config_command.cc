#include <cstdio>
#include <nlohmann/json.hpp>

#include "calve/cli/command.h"
#include "calve/cli/exit_code.h"
#include "calve/cli/json_output.h"
#include "calve/cli/session.h"
#include "calve/config/dependencies.h"
#include "calve/config/json_schema.h"
#include "calve/config/load_config.h"
#include "calve/config/reference.h"
#include "calve/config/resolved.h"

namespace calve::cli {
namespace {

constexpr const char* kConfigFooter = R"(Examples:
  calve config calve.yaml              what the file says, with every default and dependency written out
  calve config calve.yaml --check      only whether it is right: exit 0 or 2
  calve config calve.yaml --json
  calve config --schema > calve.schema.json
  calve config --reference             every key with its values, default and meaning

The file is read as `calve run` reads it, and everything that is wrong with it is said at once, each with line and column.
Nothing else is opened. Values that come from the environment are shown as the file has them: ${NAME}.)";

struct ConfigFlags {
  OutputFlags output;
  std::string file = "calve.yaml";
  bool check = false, schema = false, reference = false;
};

std::string Count(size_t number, const char* noun) {
  return fmt::format("{} {}{}", number, noun, number == 1 ? "" : "s");
}

int ShowConfig(const ConfigFlags& flags, const config::Config& config) {
  if (flags.output.json) {
    Json json = {{"file", config.file}, {"valid", true}, {"tables", config.tables.size()}};
    if (!flags.check) json["config"] = config::ResolvedJson(config);
    PrintJson(json);
  } else if (flags.check) {
    std::printf("%s: %s, %s: nothing is wrong with it\n", config.file.c_str(),
                Count(config.tables.size(), "table").c_str(),
                Count(config::LayerOrder(config.tables).size(), "layer").c_str());
  } else {
    std::printf("%s", config::ResolvedYaml(config).c_str());
  }
  return kExitDone;
}

int RunConfig(const ConfigFlags& flags, StopToken& stop) {
  if (flags.schema || flags.reference) {
    const std::string text = flags.schema ? config::JsonSchemaText() : config::ReferenceText();
    std::printf("%s", text.c_str());
    return kExitDone;
  }
  auto config = config::LoadConfig(flags.file, config::ProcessEnvironment());
  if (config.ok()) return ShowConfig(flags, *config);
  Terminal terminal(TerminalOptionsOf(flags.output));
  terminal.Error(config.status());
  const int code = ExitCodeOf(config.status(), stop);
  if (flags.output.json) {
    Json json = {{"file", flags.file}, {"valid", false}, {"error", ErrorJson(config.status())}, {"exit_code", code}};
    PrintJson(json);
  }
  return code;
}

}  // namespace

void AddConfigCommand(CLI::App& app, RunCommand& run) {
  auto flags = std::make_shared<ConfigFlags>();
  CLI::App* command = app.add_subcommand("config", "Checks a configuration file and shows what it says");
  command->add_option("file,--config", flags->file, "the configuration file")
      ->envname("CALVE_CONFIG")
      ->capture_default_str();
  auto* check = command->add_flag("--check", flags->check, "say only whether it is right");
  auto* schema = command->add_flag("--schema", flags->schema, "print the JSON Schema of configuration files");
  auto* reference = command->add_flag("--reference", flags->reference, "print every key, as Markdown");
  check->excludes(schema)->excludes(reference);
  schema->excludes(reference);
  AddOutputFlags(*command, flags->output);
  command->footer(fmt::format("{}\n{}", kConfigFooter, kExitCodesHelp));
  command->callback([flags, &run] { run = [flags](StopToken& stop) { return RunConfig(*flags, stop); }; });
}

}  // namespace calve::cli
