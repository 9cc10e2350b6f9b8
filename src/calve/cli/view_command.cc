#include <cstdio>
#include <nlohmann/json.hpp>

#include "calve/cli/command.h"
#include "calve/cli/exit_code.h"
#include "calve/cli/json_output.h"
#include "calve/cli/session.h"
#include "calve/cli/table_choice.h"
#include "calve/cycle/table_request.h"
#include "calve/offload/view.h"

namespace calve::cli {
namespace {

constexpr const char* kViewFooter = R"(Examples:
  calve view --source http://default@127.0.0.1:8123/k2 --warehouse file:///srv/cold \
      --source-table bronze_trades --target-table cold.bronze_trades --timestamp-col exchange_timestamp
  calve view … --create              creates or replaces k2.bronze_trades_all
  calve view … --create --name archive.trades
  calve view --config calve.yaml --create
                                     of every table of the configuration, called as its key `view` says

Rows up to the watermark come from the Iceberg table, later ones from ClickHouse: each once. The view stays right while the
watermark moves on, as long as ClickHouse still holds the rows after the view's own split; `calve offload --view NAME`
moves the split after each window. ClickHouse itself must be able to read the warehouse: for a local one, a server's
user_files_path has to contain it, and the embedded engine reads below calve's working directory.)";

struct ViewFlags {
  SourceFlags source;
  TargetFlags target;
  OutputFlags output;
  std::string source_table, target_table, timestamp_col, name;
  std::vector<std::string> expressions, excluded;
  bool create = false;
  TableChoice choice;
};

Result<offload::ViewRequest> RequestOf(const ViewFlags& flags) {
  ARROW_RETURN_NOT_OK(CheckTableChoice(flags.choice, "view",
                                       {{"--source", flags.source.url},
                                        PlaceOption(flags.target),
                                        {"--source-table", flags.source_table},
                                        {"--target-table", flags.target_table},
                                        {"--timestamp-col", flags.timestamp_col}}));
  offload::ViewRequest request;
  request.source_table = flags.source_table;
  if (flags.choice.config.empty()) {
    ARROW_ASSIGN_OR_RAISE(request.target, catalog::ParseTableIdent(flags.target_table, flags.target.catalog_name));
  }
  request.timestamp_column = flags.timestamp_col;
  ARROW_ASSIGN_OR_RAISE(request.columns.expressions, ParsePairs("--expr", flags.expressions));
  request.columns.excluded = flags.excluded;
  request.name = flags.name;
  request.create = flags.create;
  return request;
}

offload::ViewRequest RequestOf(const config::TableConfig& table, offload::ViewRequest request) {
  const offload::OffloadRequest offload = cycle::RequestOf(table);
  request.source_table = offload.source_table;
  request.query = offload.query;
  request.where = offload.where;
  request.target = offload.target;
  request.timestamp_column = offload.timestamp_column;
  request.columns = offload.columns;
  if (request.name.empty()) request.name = offload.view;
  return request;
}

// One view: told, and its JSON where that is wanted. The exit code.
int ViewOne(const ViewFlags& flags, const OpenedTables& sides, const offload::ViewRequest& request, StopToken& stop,
            Terminal& terminal, Json& json) {
  const SystemClock clock;
  source::RunSource source = RunOf(*sides.source, request.source_table, "view", terminal);
  const offload::OffloadContext context{source,  *sides.target.catalog, *sides.target.file_io, nullptr, clock, stop,
                                        terminal};
  auto plan = offload::MakeView(context, request);
  if (!plan.ok()) {
    terminal.Error(
        WithContext(plan.status(), fmt::format("{} -> {}", request.source_table, request.target.ToString())));
    const int code = ExitCodeOf(plan.status(), stop);
    json = {{"table", request.source_table}, {"error", ErrorJson(plan.status())}, {"exit_code", code}};
    return code;
  }
  for (const std::string& note : plan->notes) terminal.Note(note);
  json = {{"view", plan->database + "." + plan->name},
          {"watermark", FormatTimestamp(plan->watermark)},
          {"created", flags.create},
          {"sql", plan->CreateText()},
          {"notes", plan->notes}};
  if (flags.output.json) return kExitDone;
  if (flags.create) {
    std::printf("%s.%s: created, split at %s\n", plan->database.c_str(), plan->name.c_str(),
                FormatTimestamp(plan->watermark).c_str());
  } else {
    std::printf("%s%s\n", plan->CreateText().c_str(), sides.config ? ";\n" : "");
  }
  return kExitDone;
}

Result<int> Execute(const ViewFlags& flags, StopToken& stop, Terminal& terminal) {
  ARROW_ASSIGN_OR_RAISE(const offload::ViewRequest request, RequestOf(flags));
  const SystemClock clock;
  ARROW_ASSIGN_OR_RAISE(const OpenedTables sides, OpenTables(flags.choice, flags.source, flags.target,
                                                             /*with_source=*/true, /*read_only=*/true, clock, stop));
  Json json;
  if (!sides.config) {
    const int code = ViewOne(flags, sides, request, stop, terminal, json);
    if (flags.output.json) PrintJson(json);
    return code;
  }
  if (!flags.name.empty() && sides.chosen.size() > 1) {
    return MakeError(ErrorKind::kConfig, "--name is the name of one view, and several tables are chosen",
                     "Choose one with --table NAME, or name the views in the configuration (`view`).");
  }
  Json all = {{"views", Json::array()}};
  ExitCodes codes;
  for (size_t i : sides.chosen) {
    ARROW_RETURN_NOT_OK(stop.Check());
    json = Json::object();
    codes.Add(ViewOne(flags, sides, RequestOf(sides.config->tables[i], request), stop, terminal, json));
    all["views"].push_back(std::move(json));
  }
  all["exit_code"] = codes.code();
  if (flags.output.json) PrintJson(all);
  return codes.code();
}

int RunView(const ViewFlags& flags, StopToken& stop) {
  Terminal terminal(TerminalOptionsOf(flags.output));
  auto code = Execute(flags, stop, terminal);
  if (code.ok()) return *code;
  terminal.Error(WithContext(code.status(), "view"));
  const int failed = ExitCodeOf(code.status(), stop);
  if (flags.output.json) PrintJson({{"error", ErrorJson(code.status())}, {"exit_code", failed}});
  return failed;
}

}  // namespace

void AddViewCommand(CLI::App& app, RunCommand& run) {
  auto flags = std::make_shared<ViewFlags>();
  CLI::App* command = app.add_subcommand("view", "Prints or creates the ClickHouse view over hot and cold rows");
  const char* group = "Table";
  command->add_option("--source-table", flags->source_table, "ClickHouse table: table or db.table")
      ->envname("CALVE_SOURCE_TABLE")
      ->group(group);
  command->add_option("--target-table", flags->target_table, "Iceberg table: namespace.table")
      ->envname("CALVE_TARGET_TABLE")
      ->group(group);
  command->add_option("--timestamp-col", flags->timestamp_col, "the cursor that the table is offloaded by")
      ->envname("CALVE_TIMESTAMP_COL")
      ->group(group);
  command->add_option("--expr", flags->expressions, "as given to offload: NAME=SQL; repeatable")->group(group);
  command->add_option("--exclude", flags->excluded, "leave a column out; repeatable")->group(group);
  command->add_option("--name", flags->name, "of the view: view or db.view; default: the source table's with _all")
      ->group(group);
  command->add_flag("--create", flags->create, "create or replace it in ClickHouse; else its SQL is printed")
      ->group(group);
  AddSourceFlags(*command, flags->source);
  AddTargetFlags(*command, flags->target);
  AddTableChoice(*command, group, flags->choice);
  AddOutputFlags(*command, flags->output);
  command->footer(fmt::format("{}\n{}", kViewFooter, kExitCodesHelp));
  command->callback([flags, &run] { run = [flags](StopToken& stop) { return RunView(*flags, stop); }; });
}

}  // namespace calve::cli
