#include <cstdio>
#include <nlohmann/json.hpp>

#include "calve/cli/command.h"
#include "calve/cli/exit_code.h"
#include "calve/cli/json_output.h"
#include "calve/cli/session.h"
#include "calve/offload/view.h"

namespace calve::cli {
namespace {

constexpr const char* kFooter = R"(Examples:
  calve view --source http://default@127.0.0.1:8123/k2 --warehouse file:///srv/cold \
      --source-table bronze_trades --target-table cold.bronze_trades --timestamp-col exchange_timestamp
  calve view … --create              creates or replaces k2.bronze_trades_all
  calve view … --create --name archive.trades

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
};

Result<offload::ViewPlan> Execute(const ViewFlags& flags, StopToken& stop, Terminal& terminal) {
  offload::ViewRequest request;
  request.source_table = flags.source_table;
  ARROW_ASSIGN_OR_RAISE(request.target, catalog::ParseTableIdent(flags.target_table, flags.target.catalog_name));
  request.timestamp_column = flags.timestamp_col;
  ARROW_ASSIGN_OR_RAISE(request.columns.expressions, ParsePairs("--expr", flags.expressions));
  request.columns.excluded = flags.excluded;
  request.name = flags.name;
  request.create = flags.create;
  SystemClock clock;
  ARROW_ASSIGN_OR_RAISE(TargetSide side, OpenTargetSide(flags.target, clock, stop, /*read_only=*/true));
  ARROW_ASSIGN_OR_RAISE(auto source, OpenSourceOf(flags.source, stop));
  offload::OffloadContext context{*source, *side.catalog, *side.file_io, nullptr, clock, stop, terminal};
  return offload::MakeView(context, request);
}

int RunView(const ViewFlags& flags, StopToken& stop) {
  Terminal terminal(TerminalOptionsOf(flags.output));
  auto plan = Execute(flags, stop, terminal);
  if (!plan.ok()) {
    terminal.Error(WithContext(plan.status(), fmt::format("{} -> {}", flags.source_table, flags.target_table)));
    return ExitCodeOf(plan.status(), stop);
  }
  for (const std::string& note : plan->notes) terminal.Note(note);
  if (flags.output.json) {
    Json json = {{"view", plan->database + "." + plan->name},
                 {"watermark", FormatTimestamp(plan->watermark)},
                 {"created", flags.create},
                 {"sql", plan->CreateText()},
                 {"notes", plan->notes}};
    PrintJson(json);
  } else if (flags.create) {
    std::printf("%s.%s: created, split at %s\n", plan->database.c_str(), plan->name.c_str(),
                FormatTimestamp(plan->watermark).c_str());
  } else {
    std::printf("%s\n", plan->CreateText().c_str());
  }
  return kExitDone;
}

}  // namespace

void AddViewCommand(CLI::App& app, RunCommand& run) {
  auto flags = std::make_shared<ViewFlags>();
  CLI::App* command = app.add_subcommand("view", "Prints or creates the ClickHouse view over hot and cold rows");
  const char* group = "Table";
  command->add_option("--source-table", flags->source_table, "ClickHouse table: table or db.table")
      ->required()
      ->envname("CALVE_SOURCE_TABLE")
      ->group(group);
  command->add_option("--target-table", flags->target_table, "Iceberg table: namespace.table")
      ->required()
      ->envname("CALVE_TARGET_TABLE")
      ->group(group);
  command->add_option("--timestamp-col", flags->timestamp_col, "the cursor that the table is offloaded by")
      ->required()
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
  AddOutputFlags(*command, flags->output);
  command->footer(fmt::format("{}\n{}", kFooter, kExitCodesHelp));
  command->callback([flags, &run] { run = [flags](StopToken& stop) { return RunView(*flags, stop); }; });
}

}  // namespace calve::cli
