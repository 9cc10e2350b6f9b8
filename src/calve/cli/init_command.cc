#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "calve/cli/command.h"
#include "calve/cli/exit_code.h"
#include "calve/cli/json_output.h"
#include "calve/cli/session.h"
#include "calve/config/load_config.h"
#include "calve/storage/temporary_file.h"
#include "calve/survey/ask_database.h"
#include "calve/survey/config_text.h"

namespace calve::cli {
namespace {

constexpr const char* kInitFooter = R"(Examples:
  calve init --source http://default@127.0.0.1:8123/k2 --warehouse file:///srv/cold
  calve init --source http://default@127.0.0.1:8123 --database k2 --warehouse file:///srv/cold --output -
  calve init --source chdb:/srv/hot --warehouse file:///srv/cold --output k2.yaml --force

The file is a proposal for every table of the database: cursor, key, partitions, layer and order, each with its reason in
a comment. What was left out, and why, stands at its end. Nothing is changed but that file. Read it, then:
  calve config calve.yaml --check)";

struct InitFlags {
  SourceFlags source;
  TargetFlags target;
  OutputFlags output;
  std::string database;
  std::string name_space = "cold";
  std::string file = "calve.yaml";
  bool force = false;

  bool to_stdout() const { return file == "-"; }
};

// Relative files are relative to the configuration's folder there, to the working directory here.
std::string Absolute(const std::string& file) {
  if (file.empty()) return file;
  std::error_code failed;
  const auto path = std::filesystem::absolute(file, failed);
  return failed ? file : path.string();
}

Result<config::Config> ConfigOf(const InitFlags& flags) {
  config::Config config;
  config::SourceConfig& source = config.source;
  source.url = flags.source.url;
  source.password_file = Absolute(flags.source.password_file);
  source.compression = flags.source.compression;
  source.ca_file = Absolute(flags.source.ca_file);
  source.cert_file = Absolute(flags.source.client_cert_file);
  source.key_file = Absolute(flags.source.client_key_file);
  ARROW_ASSIGN_OR_RAISE(source.connect_timeout_micros, ParseDuration(flags.source.connect_timeout));
  ARROW_ASSIGN_OR_RAISE(source.idle_timeout_micros, ParseDuration(flags.source.idle_timeout));
  ARROW_ASSIGN_OR_RAISE(source.settings, ParsePairs("--setting", flags.source.settings));
  ARROW_ASSIGN_OR_RAISE(config.catalog, CatalogConfigOf(flags.target));
  for (std::string* file : {&config.catalog.password_file, &config.catalog.credential_file, &config.catalog.token_file,
                            &config.catalog.ca_file, &config.catalog.cert_file, &config.catalog.key_file}) {
    *file = Absolute(*file);
  }
  config.state.url = flags.target.state;
  config.state.password_file = Absolute(flags.target.state_password_file);
  return config;
}

Status CheckOutput(const InitFlags& flags) {
  if (flags.to_stdout()) {
    if (!flags.output.json) return Status::OK();
    return MakeError(ErrorKind::kConfig, "--output - and --json would both write to stdout", "Take one of the two.");
  }
  std::error_code failed;
  const auto status = std::filesystem::status(flags.file, failed);
  if (!std::filesystem::exists(status)) return Status::OK();
  if (!std::filesystem::is_regular_file(status)) {
    return MakeError(ErrorKind::kConfig, fmt::format("{} is there, and is no file", flags.file),
                     "Name another one with --output; - is stdout.");
  }
  if (flags.force) return Status::OK();
  return MakeError(ErrorKind::kAlreadyExists, fmt::format("{} is there already", flags.file),
                   "Name another file with --output, or replace it with --force.");
}

// Nothing that can be offloaded: the reasons are the answer.
Status NothingToOffload(const survey::DatabaseFacts& facts, const survey::Proposal& proposal) {
  constexpr size_t kShown = 10;
  std::string reasons;
  for (size_t i = 0; i < std::min(proposal.left_out.size(), kShown); ++i) {
    reasons += fmt::format("{}{}: {}", i == 0 ? "" : "; ", proposal.left_out[i].table, proposal.left_out[i].reason);
  }
  return MakeError(ErrorKind::kConfig,
                   fmt::format("no table of database {} can be offloaded: {}", facts.database, reasons),
                   "Name another one with --database.");
}

struct Written {
  survey::DatabaseFacts facts;
  survey::Proposal proposal;
  std::string text;
};

Result<Written> Write(const InitFlags& flags, StopToken& stop) {
  ARROW_RETURN_NOT_OK(CheckOutput(flags));
  ARROW_ASSIGN_OR_RAISE(const config::Config config, ConfigOf(flags));
  ARROW_ASSIGN_OR_RAISE(auto source, OpenSourceOf(flags.source, stop));
  Written out;
  ARROW_ASSIGN_OR_RAISE(out.facts, survey::AskDatabase(*source, flags.database));
  ARROW_ASSIGN_OR_RAISE(out.proposal, survey::Propose(out.facts, flags.name_space));
  if (out.proposal.tables.empty()) return NothingToOffload(out.facts, out.proposal);
  out.text = survey::ConfigText(out.proposal, out.facts, config);
  // Never a file that calve itself would refuse.
  ARROW_RETURN_NOT_OK(WithContext(
      config::ParseConfig(out.text, flags.to_stdout() ? "(stdout)" : flags.file, config::ProcessEnvironment()).status(),
      "the configuration would not be valid"));
  if (flags.to_stdout()) {
    std::printf("%s", out.text.c_str());
    return out;
  }
  std::error_code failed;
  const auto path =
      std::filesystem::weakly_canonical(flags.file, failed);  // what a link names is replaced, not the link
  ARROW_ASSIGN_OR_RAISE(auto file, storage::TemporaryFile::Write(failed ? flags.file : path.string(), out.text));
  ARROW_RETURN_NOT_OK(flags.force ? file.PublishOver() : file.PublishNew());
  return out;
}

void Tell(const InitFlags& flags, const Written& written) {
  const survey::Proposal& proposal = written.proposal;
  if (flags.output.json) {
    Json json = {{"file", flags.file}, {"database", written.facts.database}};
    json["tables"] = Json::array();
    for (const survey::TableProposal& table : proposal.tables) {
      json["tables"].push_back({{"source", table.source}, {"target", table.target}});
    }
    json["left_out"] = Json::array();
    for (const survey::LeftOut& left : proposal.left_out) {
      json["left_out"].push_back({{"table", left.table}, {"reason", left.reason}});
    }
    PrintJson(json);
    return;
  }
  if (flags.to_stdout() || flags.output.quiet) return;
  std::printf("%s: %zu table%s of database %s; %zu left out, as it says at its end\n", flags.file.c_str(),
              proposal.tables.size(), proposal.tables.size() == 1 ? "" : "s", written.facts.database.c_str(),
              proposal.left_out.size());
  std::printf("Read its comments, change what is wrong, then: calve config %s --check\n", flags.file.c_str());
}

int RunInit(const InitFlags& flags, StopToken& stop) {
  Terminal terminal(TerminalOptionsOf(flags.output));
  auto written = Write(flags, stop);
  if (written.ok()) {
    Tell(flags, *written);
    return kExitDone;
  }
  terminal.Error(written.status());
  const int code = ExitCodeOf(written.status(), stop);
  if (flags.output.json) PrintJson({{"file", flags.file}, {"error", ErrorJson(written.status())}, {"exit_code", code}});
  return code;
}

}  // namespace

void AddInitCommand(CLI::App& app, RunCommand& run) {
  auto flags = std::make_shared<InitFlags>();
  CLI::App* command = app.add_subcommand("init", "Writes a configuration file by looking at a live database");
  command->add_option("--database", flags->database, "the database to look at (default: the source's own)");
  command->add_option("--namespace", flags->name_space, "namespace of the target tables")->capture_default_str();
  command->add_option("-o,--output", flags->file, "the file to write; - is stdout")->capture_default_str();
  command->add_flag("--force", flags->force, "replace the file if it is there");
  AddSourceFlags(*command, flags->source);
  AddTargetFlags(*command, flags->target);
  AddOutputFlags(*command, flags->output);
  command->footer(fmt::format("{}\n{}", kInitFooter, kExitCodesHelp));
  command->callback([flags, &run] { run = [flags](StopToken& stop) { return RunInit(*flags, stop); }; });
}

}  // namespace calve::cli
