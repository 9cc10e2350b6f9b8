#include <cstdio>
#include <nlohmann/json.hpp>

#include "calve/cli/command.h"
#include "calve/cli/exit_code.h"
#include "calve/cli/metrics_output.h"
#include "calve/cli/missing_table.h"
#include "calve/cli/notify_output.h"
#include "calve/cli/session.h"
#include "calve/cli/table_choice.h"
#include "calve/cli/verify_flags.h"
#include "calve/cli/verify_report.h"
#include "calve/cycle/table_request.h"
#include "calve/offload/repair.h"
#include "calve/serve/findings_metrics.h"
#include "calve/source/introspection.h"

namespace calve::cli {
namespace {

constexpr const char* kVerifyFooter = R"(Examples:
  calve verify --source http://default@127.0.0.1:8123/k2 --warehouse file:///srv/cold \
      --source-table bronze_trades --target-table cold.bronze_trades --timestamp-col exchange_timestamp
                                     everything up to the watermark, hour by hour
  calve verify … --from 2024-08-09 --to 2024-08-10
                                     one day: rows with from <= timestamp < to
  calve verify … --key exchange,sequence_number --rows 3
                                     tells changed rows from missing ones, and shows three of each kind
  calve verify … --sample 1% --seed 7
                                     of a huge table, one bucket in a hundred
  calve verify --config calve.yaml   every table of the configuration
  calve verify … --repair            mends what differs: adds missing rows, replaces changed and removes doubled ones
  calve verify --cold-only --warehouse file:///srv/cold --target-table cold.bronze_trades --key trade_id
                                     rows that are twice in the cold table; no ClickHouse is asked

Both sides are read in full, the cold one from its Parquet files. Give --expr, --type and --exclude as the offload had them.
Rows that only cold has are no difference where hot may have let them go (it has a TTL, or no row of that bucket): --strict
makes them one. docs/verify.md explains the output.
With --repair, rows that only cold has are left alone, and the exit code tells what is left.
Exit codes: 0 equal, 3 a difference, 1 failed, 2 bad usage or configuration, 130/143 stopped by a signal.)";

struct VerifyFlags {
  SourceFlags source;
  TargetFlags target;
  OutputFlags output;
  VerifyRangeFlags range;
  std::string source_table, target_table, timestamp_col, memory = "512MiB";
  std::vector<std::string> key, types, expressions, excluded, renamed;
  std::string where;
  TableChoice choice;
  bool cold_only = false, repair = false;
  std::string lease = "10m", metrics_file;
};

void AddTableFlags(CLI::App& command, VerifyFlags& flags) {
  const char* group = "Table";
  command.add_option("--source-table", flags.source_table, "ClickHouse table: table or db.table")
      ->envname("CALVE_SOURCE_TABLE")
      ->group(group);
  command.add_option("--target-table", flags.target_table, "Iceberg table: namespace.table")
      ->envname("CALVE_TARGET_TABLE")
      ->group(group);
  command.add_option("--timestamp-col", flags.timestamp_col, "the cursor that the table was offloaded by")
      ->envname("CALVE_TIMESTAMP_COL")
      ->group(group);
  command
      .add_option(
          "--key", flags.key,
          "columns that tell rows apart: a,b (default: the sorting key of a table that ClickHouse merges by it, "
          "else whole rows)")
      ->delimiter(',')
      ->group(group);
  command
      .add_option("--expr", flags.expressions, "ClickHouse expression of a column, as offloaded: NAME=SQL; repeatable")
      ->group(group);
  command.add_option("--type", flags.types, "Iceberg type of a column, as offloaded: NAME=TYPE; repeatable")
      ->group(group);
  command.add_option("--exclude", flags.excluded, "do not compare this column; repeatable")->group(group);
  command.add_option("--rename", flags.renamed, "a column's name in the target, as offloaded: NAME=NEW; repeatable")
      ->group(group);
  command.add_option("--where", flags.where, "the condition that the table was offloaded by")->group(group);
}

void AddRangeFlags(CLI::App& command, VerifyFlags& flags) {
  const char* group = "Range";
  AddVerifyRangeFlags(command, group, flags.range);
  command.add_flag("--cold-only", flags.cold_only, "look for rows that are twice in the cold table; needs no source")
      ->group(group);
  command
      .add_flag("--repair", flags.repair,
                "mend what differs, in a snapshot of its own: missing rows are added, changed ones (by key) replaced, "
                "doubled ones removed")
      ->group(group);
  command.add_option("--lease", flags.lease, "with --repair: others keep away for so long; 0: no lease")
      ->envname("CALVE_LEASE")
      ->capture_default_str()
      ->group(group);
  command.add_option("--memory", flags.memory, "for rows on their way and row hashes; more rows take more passes")
      ->envname("CALVE_MEMORY")
      ->capture_default_str()
      ->group(group);
}

Status CheckFlags(const VerifyFlags& flags) {
  const NeededOption target{"--target-table", flags.target_table}, warehouse = PlaceOption(flags.target);
  if (flags.cold_only && flags.choice.config.empty())
    return CheckTableChoice(flags.choice, "verify", {target, warehouse});
  return CheckTableChoice(flags.choice, "verify",
                          {target,
                           warehouse,
                           {"--source", flags.source.url},
                           {"--source-table", flags.source_table},
                           {"--timestamp-col", flags.timestamp_col}});
}

Result<offload::VerifyRequest> RequestOf(const VerifyFlags& flags) {
  ARROW_RETURN_NOT_OK(CheckFlags(flags));
  offload::VerifyRequest request;
  request.source_table = flags.source_table;
  if (flags.choice.config.empty()) {
    ARROW_ASSIGN_OR_RAISE(request.target, catalog::ParseTableIdent(flags.target_table, flags.target.catalog_name));
  }
  request.where = flags.where;
  request.timestamp_column = flags.timestamp_col;
  request.key = flags.key;
  ARROW_ASSIGN_OR_RAISE(request.columns.types, ParseTypes(flags.types));
  ARROW_ASSIGN_OR_RAISE(request.columns.expressions, ParsePairs("--expr", flags.expressions));
  ARROW_ASSIGN_OR_RAISE(request.columns.renamed, ParsePairs("--rename", flags.renamed));
  request.columns.excluded = flags.excluded;
  ARROW_RETURN_NOT_OK(TakeVerifyRange(flags.range, request));
  request.cold_only = flags.cold_only;
  request.whole_rows = flags.repair;
  ARROW_ASSIGN_OR_RAISE(request.settings, ParsePairs("--setting", flags.source.settings));
  ARROW_ASSIGN_OR_RAISE(request.memory_bytes, ParseBytes(flags.memory));
  return request;
}

// What was done about it, and what is left.
struct Outcome {
  offload::VerifyResult result;
  std::optional<offload::RepairResult> repair;
};

Result<Outcome> Verify(const VerifyFlags& flags, const OpenedTables& sides, source::Source* source,
                       const offload::VerifyRequest& request, const Clock& clock, StopToken& stop, Terminal& terminal) {
  ARROW_ASSIGN_OR_RAISE(int64_t lease, ParseDuration(flags.lease));
  const TargetSide& side = sides.target;
  offload::VerifyContext context{source, *side.catalog, *side.file_io, clock, stop, terminal, side.journal.get()};
  Outcome outcome;
  if (flags.repair) {
    ARROW_ASSIGN_OR_RAISE(outcome.repair, offload::RepairTable(context, request, lease));
    outcome.result = outcome.repair->after;
    for (const std::string& note : outcome.repair->notes) terminal.Note(note);
  } else {
    ARROW_ASSIGN_OR_RAISE(outcome.result, offload::VerifyTable(context, request));
  }
  return outcome;
}

// Where what was found is left for others.
struct Findings {
  FindingsFile file;
  CommandNotices notices;
};

// One table: told, and its JSON where that is wanted. The exit code.
int VerifyOne(const VerifyFlags& flags, const OpenedTables& sides, const offload::VerifyRequest& request,
              const std::string& name, const config::TableConfig* table, Findings& findings, StopToken& stop,
              Terminal& terminal, Json& json) {
  const SystemClock clock;
  const VerifyWords words{request.timestamp_column.empty() ? "" : flags.range.bucket, flags.cold_only};
  std::optional<source::RunSource> source;
  if (sides.source) source.emplace(RunOf(*sides.source, name, "verify", terminal));
  auto result = Verify(flags, sides, source ? &*source : nullptr, request, clock, stop, terminal);
  terminal.EndProgress();
  int code = ExitCodeOf(result.status(), stop);
  if (!result.ok()) {
    const Status error = ExplainMissingTable(result.status(), request.target, *sides.target.catalog);
    terminal.Error(WithContext(error, "verify " + request.target.ToString()));
    json = {{"target", request.target.ToString()}, {"error", ErrorJson(error)}, {"exit_code", code}};
    return code;
  }
  if (!result->result.equal()) code = kExitDifference;
  if (table) {
    const bool is_whole = !request.from && !request.to && request.sample >= 1;
    findings.notices.Add(ObservationsOf(*table, result->result, is_whole, source ? source->run_id() : ""));
  }
  terminal.TellResult(VerifiedEvent(result->result, name, source ? source->run_id() : ""));
  findings.file.Add([name, found = result->result, now = clock.Now()](serve::MetricSet& set) {
    serve::AddVerified(set, name, found, now);
  });
  if (flags.output.json) {
    json = VerifyJson(result->result, words, code);
    if (result->repair) json["repair"] = RepairJson(*result->repair);
  } else {
    if (result->repair && result->repair->snapshot_id) PrintRepair(*result->repair);
    PrintVerify(result->result, words);
  }
  return code;
}

// Every table of the configuration.
Result<int> VerifyAll(const VerifyFlags& flags, const OpenedTables& sides, const offload::VerifyRequest& range,
                      Findings& findings, StopToken& stop, Terminal& terminal) {
  Json json = {{"equal", true}, {"tables", Json::array()}};
  ExitCodes codes;
  for (size_t i : sides.chosen) {
    const config::TableConfig& table = sides.config->tables[i];
    ARROW_RETURN_NOT_OK(stop.Check());
    Json told = Json::object();
    codes.Add(VerifyOne(flags, sides, cycle::VerifyRequestOf(table, range), table.name, &table, findings, stop,
                        terminal, told));
    Json named = {{"name", table.name}};
    named.update(told);
    json["tables"].push_back(std::move(named));
  }
  json["equal"] = codes.code() == kExitDone;
  json["exit_code"] = codes.code();
  if (flags.output.json) {
    PrintJson(json);
  } else {
    std::printf("%zu table%s: %zu equal, %zu different, %zu failed\n", sides.chosen.size(),
                sides.chosen.size() == 1 ? "" : "s", codes.done(), codes.different(), codes.failed());
  }
  return codes.code();
}

Result<int> Execute(const VerifyFlags& flags, StopToken& stop, Terminal& terminal) {
  ARROW_ASSIGN_OR_RAISE(const offload::VerifyRequest request, RequestOf(flags));
  const SystemClock clock;
  ARROW_ASSIGN_OR_RAISE(const OpenedTables sides,
                        OpenTables(flags.choice, flags.source, flags.target, /*with_source=*/!flags.cold_only,
                                   /*read_only=*/!flags.repair, clock, stop));
  const config::Config* config = sides.config ? &*sides.config : nullptr;
  Findings findings{{MetricsFileOf(flags.metrics_file, config, "verify"), serve::VerifyDescriptions(), config},
                    {config, terminal}};
  if (config) {
    auto code = VerifyAll(flags, sides, request, findings, stop, terminal);
    findings.file.Write(terminal);
    return code;
  }
  Json json;
  const std::string name = flags.source_table.empty() ? flags.target_table : source::BareTableName(flags.source_table);
  const int code = VerifyOne(flags, sides, request, name, nullptr, findings, stop, terminal, json);
  findings.file.Write(terminal);
  if (flags.output.json) PrintJson(json);
  return code;
}

int RunVerify(const VerifyFlags& flags, StopToken& stop) {
  Terminal terminal(TerminalOptionsOf(flags.output));
  auto code = Execute(flags, stop, terminal);
  if (code.ok()) return *code;
  const std::string& what = flags.choice.config.empty() ? flags.target_table : flags.choice.config;
  terminal.Error(WithContext(code.status(), "verify " + what));
  const int failed = ExitCodeOf(code.status(), stop);
  if (flags.output.json) {
    PrintJson({{"target", flags.choice.config.empty() ? Json(flags.target_table) : Json(nullptr)},
               {"error", ErrorJson(code.status())},
               {"exit_code", failed}});
  }
  return failed;
}

}  // namespace

void AddVerifyCommand(CLI::App& app, RunCommand& run) {
  auto flags = std::make_shared<VerifyFlags>();
  CLI::App* command = app.add_subcommand("verify", "Compares a cold table with its source, row by row");
  AddTableFlags(*command, *flags);
  AddRangeFlags(*command, *flags);
  AddSourceFlags(*command, flags->source);
  AddTargetFlags(*command, flags->target);
  AddTableChoice(*command, "Table", flags->choice);
  AddOutputFlags(*command, flags->output);
  AddMetricsFileFlag(*command, flags->metrics_file);
  command->footer(kVerifyFooter);
  command->callback([flags, &run] { run = [flags](StopToken& stop) { return RunVerify(*flags, stop); }; });
}

}  // namespace calve::cli
