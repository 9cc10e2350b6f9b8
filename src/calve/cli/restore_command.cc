#include <cstdio>
#include <nlohmann/json.hpp>

#include "calve/cli/command.h"
#include "calve/cli/exit_code.h"
#include "calve/cli/json_output.h"
#include "calve/cli/missing_table.h"
#include "calve/cli/session.h"
#include "calve/cli/table_choice.h"
#include "calve/cycle/table_request.h"
#include "calve/offload/restore.h"

namespace calve::cli {
namespace {

constexpr const char* kRestoreFooter = R"help(Examples:
  calve restore --source http://default@127.0.0.1:8123/k2 --warehouse file:///srv/cold --target-table cold.bronze_trades \
      --timestamp-col exchange_timestamp --from 2024-08-09 --to 2024-08-10 --into bronze_trades_restored --create
                                     one day, rows with from <= timestamp < to, into a new table
  calve restore … --into bronze_trades
                                     into the source itself, after its rows were dropped
  calve restore … --as-of 2024-08-12T06:00:00Z
                                     the rows as the cold table had them at that time
  calve restore … --key exchange,sequence_number --dry-run
                                     how many rows are missing, and how many are there with other values
  calve restore … --set "trade_count=arrayReduce('countState', range(toUInt64(trade_count)))"
                                     an aggregation state, made of its value
  calve restore --config calve.yaml --table bronze_trades --from 2024-08-09 --to 2024-08-10 --into bronze_trades_restored
                                     a table of the configuration: target, cursor and key are as it says

Compares first, hour by hour, and inserts only the rows that the table lacks: what was interrupted is completed by running it
again, and nothing is there twice. docs/restore.md has the types and the limits.)help";

struct RestoreFlags {
  SourceFlags source;
  TargetFlags target;
  OutputFlags output;
  std::string target_table, timestamp_col, from, to, into, as_of, memory = "512MiB", lease = "10m";
  std::vector<std::string> key, excluded, set;
  int64_t snapshot = 0;
  bool all = false, create = false, force = false, dry_run = false;
  TableChoice choice;
};

void AddTableFlags(CLI::App& command, RestoreFlags& flags) {
  const char* group = "Table";
  command.add_option("--target-table", flags.target_table, "Iceberg table: namespace.table")
      ->envname("CALVE_TARGET_TABLE")
      ->group(group);
  command.add_option("--timestamp-col", flags.timestamp_col, "the cursor that the table was offloaded by")
      ->envname("CALVE_TIMESTAMP_COL")
      ->group(group);
  command.add_option("--into", flags.into, "ClickHouse table that gets the rows: table or db.table")
      ->required()
      ->group(group);
  command
      .add_flag("--create", flags.create, "make that table where it is not there: a MergeTree ordered by the cursor")
      ->group(group);
  command
      .add_option(
          "--key", flags.key,
          "columns that tell rows apart: a,b (default: the sorting key of a table that ClickHouse merges by it, "
          "else whole rows)")
      ->delimiter(',')
      ->group(group);
  command.add_option("--exclude", flags.excluded, "leave a column out; the table's default stands for it; repeatable")
      ->group(group);
  command
      .add_option("--set", flags.set,
                  "COLUMN=SQL: what a column of the table gets, over the cold columns; not compared; repeatable")
      ->group(group);
}

void AddRangeFlags(CLI::App& command, RestoreFlags& flags) {
  const char* group = "Range";
  command.add_option("--from", flags.from, "rows from this time on: 2024-08-09T00:00:00Z")->group(group);
  command.add_option("--to", flags.to, "rows before this time")->group(group);
  command.add_flag("--all", flags.all, "without --from or --to: no bound there")->group(group);
  command.add_option("--snapshot", flags.snapshot, "the rows of this snapshot, not of the current one")->group(group);
  command.add_option("--as-of", flags.as_of, "the rows of the snapshot that was current at this time")
      ->excludes("--snapshot")
      ->group(group);
  command.add_flag("--dry-run", flags.dry_run, "compare, tell what would be inserted, and insert nothing")
      ->group(group);
  command.add_flag("--force", flags.force, "also rows that the table's TTL drops with the next merge")->group(group);
  command.add_option("--memory", flags.memory, "for rows on their way and row hashes; more rows take more passes")
      ->envname("CALVE_MEMORY")
      ->capture_default_str()
      ->group(group);
  command
      .add_option("--lease", flags.lease,
                  "for how long other restores into the table keep away, renewed meanwhile; 0: none")
      ->capture_default_str()
      ->group(group);
}

Result<offload::RestoreRequest> RequestOf(const RestoreFlags& flags) {
  ARROW_RETURN_NOT_OK(CheckTableChoice(flags.choice, "restore",
                                       {{"--source", flags.source.url},
                                        PlaceOption(flags.target),
                                        {"--target-table", flags.target_table},
                                        {"--timestamp-col", flags.timestamp_col}}));
  offload::RestoreRequest request;
  if (flags.choice.config.empty()) {
    ARROW_ASSIGN_OR_RAISE(request.target, catalog::ParseTableIdent(flags.target_table, flags.target.catalog_name));
  }
  request.into = flags.into;
  request.timestamp_column = flags.timestamp_col;
  if (!flags.all && (flags.from.empty() || flags.to.empty())) {
    return MakeError(ErrorKind::kConfig, fmt::format("{} is missing", flags.from.empty() ? "--from" : "--to"),
                     "--all says that there is to be no such bound.");
  }
  if (!flags.from.empty()) {
    ARROW_ASSIGN_OR_RAISE(request.from, ParseTimestamp(flags.from));
  }
  if (!flags.to.empty()) {
    ARROW_ASSIGN_OR_RAISE(request.to, ParseTimestamp(flags.to));
  }
  if (!flags.as_of.empty()) {
    ARROW_ASSIGN_OR_RAISE(request.as_of, ParseTimestamp(flags.as_of));
  }
  if (flags.snapshot != 0) request.snapshot_id = flags.snapshot;
  request.key = flags.key;
  request.excluded = flags.excluded;
  ARROW_ASSIGN_OR_RAISE(request.set, ParsePairs("--set", flags.set));
  request.create = flags.create;
  request.force = flags.force;
  request.dry_run = flags.dry_run;
  ARROW_ASSIGN_OR_RAISE(request.settings, ParsePairs("--setting", flags.source.settings));
  ARROW_ASSIGN_OR_RAISE(request.memory_bytes, ParseBytes(flags.memory));
  ARROW_ASSIGN_OR_RAISE(request.lease_micros, ParseDuration(flags.lease));
  return request;
}

// What the configuration says of the one table.
Status TakeTable(const RestoreFlags& flags, const OpenedTables& sides, offload::RestoreRequest& request) {
  if (flags.choice.tables.size() != 1 || sides.chosen.size() != 1) {
    return MakeError(ErrorKind::kConfig, "one table is restored at a time, into the one that --into names",
                     "Name it with --table NAME.");
  }
  const offload::OffloadRequest offload = cycle::RequestOf(sides.config->tables[sides.chosen.front()]);
  request.target = offload.target;
  request.timestamp_column = offload.timestamp_column;
  if (request.key.empty()) request.key = offload.key;
  for (const auto& [name, value] : offload.settings) request.settings.emplace(name, value);
  return Status::OK();
}

Result<offload::RestoreResult> Execute(const RestoreFlags& flags, StopToken& stop, Terminal& terminal) {
  ARROW_ASSIGN_OR_RAISE(offload::RestoreRequest request, RequestOf(flags));
  SystemClock clock;
  ARROW_ASSIGN_OR_RAISE(const OpenedTables sides, OpenTables(flags.choice, flags.source, flags.target,
                                                             /*with_source=*/true, flags.dry_run, clock, stop));
  if (sides.config) {
    ARROW_RETURN_NOT_OK(TakeTable(flags, sides, request));
  }
  const TargetSide& side = sides.target;
  if (!side.journal && !flags.dry_run) {
    terminal.Warn(
        fmt::format("the journal could not be opened, so that two restores into a table at once are not noticed: {}",
                    MessageOf(side.journal_error)));
  }
  source::RunSource source = RunOf(*sides.source, request.into, "restore", terminal);
  offload::RestoreContext context{source, *side.catalog, *side.file_io, side.journal.get(), clock, stop, terminal};
  auto result = offload::RestoreTable(context, request);
  if (result.ok()) {
    Event event(EventKind::kTableRestored,
                fmt::format("{} -> {}: {} rows {}", result->target, result->table, HumanCount(result->rows_inserted),
                            flags.dry_run ? "would be inserted" : "inserted"));
    event.Set(EventField::kRun, source.run_id()).Set(EventField::kTable, result->table);
    event.Set(EventField::kTarget, result->target).Set(EventField::kRows, result->rows_inserted);
    event.Set(EventField::kSnapshotId, result->snapshot_id).Set(EventField::kDurationSeconds, result->seconds);
    terminal.TellResult(event);
  }
  if (!result.ok()) return ExplainMissingTable(result.status(), request.target, *side.catalog);
  return result;
}

Json ResultJson(const offload::RestoreResult& r, const RestoreFlags& flags) {
  Json json;
  json["table"] = r.table;
  json["target"] = r.target;
  json["snapshot_id"] = r.snapshot_id ? Json(*r.snapshot_id) : Json(nullptr);
  json["range"] = {{"from", TimeOrNull(r.from)}, {"to", TimeOrNull(r.to)}};
  json["dry_run"] = flags.dry_run;
  json["rows"] = {
      {"cold", r.rows_cold}, {"before", r.rows_hot}, {"inserted", r.rows_inserted}, {"changed", r.rows_changed}};
  json["buckets"] = {{"compared", r.buckets}, {"equal", r.buckets_equal}};
  json["inserts"] = r.inserts;
  json["columns_set"] = r.columns_set;
  json["columns_excluded"] = r.columns_excluded;
  json["created"] = r.created.empty() ? Json(nullptr) : Json(r.created);
  json["notes"] = r.notes;
  json["duration_seconds"] = r.seconds;
  json["rows_per_second"] = r.seconds > 0 ? static_cast<double>(r.rows_inserted) / r.seconds : 0.0;
  if (flags.dry_run) json["insert"] = r.insert;
  json["exit_code"] = kExitDone;
  return json;
}

void PrintResult(const offload::RestoreResult& r, const RestoreFlags& flags) {
  if (!r.created.empty()) std::printf("%s\n", r.created.c_str());
  const double rate = r.seconds > 0 ? static_cast<double>(r.rows_inserted) / r.seconds : 0;
  std::printf("%s -> %s: %s rows %s in %s (%s rows/s)\n", r.target.c_str(), r.table.c_str(),
              HumanCount(r.rows_inserted).c_str(), flags.dry_run ? "would be inserted" : "inserted",
              HumanSeconds(r.seconds).c_str(), HumanRate(rate).c_str());
  std::printf("  range      %s to %s\n", r.from ? FormatTimestamp(*r.from).c_str() : "the beginning",
              r.to ? FormatTimestamp(*r.to).c_str() : "the end");
  std::printf("  snapshot   %s\n", r.snapshot_id ? std::to_string(*r.snapshot_id).c_str() : "none");
  std::printf("  rows       %s in cold, %s in the table before", HumanCount(r.rows_cold).c_str(),
              HumanCount(r.rows_hot).c_str());
  if (r.rows_changed > 0) std::printf(", %s there with other values", HumanCount(r.rows_changed).c_str());
  std::printf("\n  buckets    %s, %s of them equal already\n", HumanCount(r.buckets).c_str(),
              HumanCount(r.buckets_equal).c_str());
}

int RunRestore(const RestoreFlags& flags, StopToken& stop) {
  Terminal terminal(TerminalOptionsOf(flags.output));
  auto result = Execute(flags, stop, terminal);
  terminal.EndProgress();
  const int code = ExitCodeOf(result.status(), stop);
  if (!result.ok()) {
    const std::string& named = flags.choice.tables.size() == 1 ? flags.choice.tables.front() : flags.target_table;
    terminal.Error(WithContext(result.status(), fmt::format("restore {} -> {}", named, flags.into)));
    if (flags.output.json) {
      Json json = {{"target", flags.target_table},
                   {"table", flags.into},
                   {"error", ErrorJson(result.status())},
                   {"exit_code", code}};
      PrintJson(json);
    }
    return code;
  }
  if (flags.output.json) {
    PrintJson(ResultJson(*result, flags));
  } else {
    PrintResult(*result, flags);
  }
  return code;
}

}  // namespace

void AddRestoreCommand(CLI::App& app, RunCommand& run) {
  auto flags = std::make_shared<RestoreFlags>();
  CLI::App* command = app.add_subcommand("restore", "Inserts cold rows back into a ClickHouse table");
  AddTableFlags(*command, *flags);
  AddRangeFlags(*command, *flags);
  AddSourceFlags(*command, flags->source);
  AddTargetFlags(*command, flags->target);
  AddTableChoice(*command, "Table", flags->choice);
  AddOutputFlags(*command, flags->output);
  command->footer(fmt::format("{}\n{}", kRestoreFooter, kExitCodesHelp));
  command->callback([flags, &run] { run = [flags](StopToken& stop) { return RunRestore(*flags, stop); }; });
}

}  // namespace calve::cli
