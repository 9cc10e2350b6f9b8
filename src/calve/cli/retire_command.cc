#include <algorithm>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>

#include "calve/cli/command.h"
#include "calve/cli/exit_code.h"
#include "calve/cli/json_output.h"
#include "calve/cli/metrics_output.h"
#include "calve/cli/notify_output.h"
#include "calve/cli/session.h"
#include "calve/cli/table_choice.h"
#include "calve/cycle/table_request.h"
#include "calve/offload/retire.h"
#include "calve/serve/findings_metrics.h"
#include "calve/source/introspection.h"

namespace calve::cli {
namespace {

constexpr const char* kRetireFooter = R"(Examples:
  calve retire --source http://default@127.0.0.1:8123/k2 --warehouse file:///srv/cold \
      --source-table bronze_trades --target-table cold.bronze_trades --timestamp-col exchange_timestamp \
      --older-than 7d --dry-run      what would be dropped: verified all the same, nothing is changed
  calve retire … --older-than 7d
  calve retire … --before 2024-08-01
  calve retire … --older-than 7d --view k2.bronze_trades_all
                                     moves the split of calve's view first
  calve retire --config calve.yaml --older-than 7d [--table bronze_trades]
                                     every table of the configuration

Compares all hot rows of the range with the Parquet files of the cold table, and drops the parts of the ClickHouse table that
hold nothing newer than the limit, have every row in cold, and are still what they were. Rows that are inserted meanwhile
are in other parts, and stay.
Exit codes: 0 done (also when there was nothing to drop), 1 failed, 2 bad usage or configuration, 3 cold does not hold all
rows (their parts stay), 130/143 stopped by a signal.)";

struct RetireFlags {
  SourceFlags source;
  TargetFlags target;
  OutputFlags output;
  std::string source_table, target_table, timestamp_col, older_than, before, view;
  std::string memory = "512MiB", lease = "10m", metrics_file;
  std::vector<std::string> key, types, expressions, excluded;
  bool strict = false, optimize = false, dry_run = false;
  TableChoice choice;
};

void AddTableFlags(CLI::App& command, RetireFlags& flags) {
  const char* group = "Table";
  command.add_option("--source-table", flags.source_table, "ClickHouse table: table or db.table")
      ->envname("CALVE_SOURCE_TABLE")
      ->group(group);
  command.add_option("--target-table", flags.target_table, "Iceberg table: namespace.table")
      ->envname("CALVE_TARGET_TABLE")
      ->group(group);
  command.add_option("--timestamp-col", flags.timestamp_col, "the cursor that the table is offloaded by")
      ->envname("CALVE_TIMESTAMP_COL")
      ->group(group);
  command
      .add_option(
          "--key", flags.key,
          "columns that tell rows apart: a,b (default: whole rows; of engines that merge rows, the sorting key)")
      ->delimiter(',')
      ->group(group);
  command
      .add_option("--expr", flags.expressions, "ClickHouse expression of a column, as offloaded: NAME=SQL; repeatable")
      ->group(group);
  command.add_option("--type", flags.types, "Iceberg type of a column, as offloaded: NAME=TYPE; repeatable")
      ->group(group);
  command.add_option("--exclude", flags.excluded, "this column is not in cold, and may be lost; repeatable")
      ->group(group);
}

void AddRetireFlags(CLI::App& command, RetireFlags& flags) {
  const char* group = "Retire";
  command
      .add_option("--older-than", flags.older_than,
                  "drop what is older than this by the server's clock: 7d, 36h. Never beyond the watermark")
      ->group(group);
  command.add_option("--before", flags.before, "instead: drop rows before this time, 2024-08-01")->group(group);
  command
      .add_option("--view", flags.view,
                  "calve's view over hot and cold rows: its split is moved to the watermark before anything is dropped")
      ->envname("CALVE_VIEW")
      ->group(group);
  command
      .add_flag(
          "--optimize", flags.optimize,
          "of engines that merge rows: merge old partitions whose parts share keys (OPTIMIZE … FINAL), so that they "
          "can be dropped")
      ->group(group);
  command
      .add_flag("--strict", flags.strict,
                "also keep rows that are older than a column: NULL in cold, and a default in ClickHouse")
      ->group(group);
  command.add_flag("--dry-run", flags.dry_run, "verify, say what would be dropped, and change nothing")->group(group);
  command
      .add_option("--lease", flags.lease,
                  "while this run works, others that share the journal skip the table (as in offload). 0: no lease")
      ->envname("CALVE_LEASE")
      ->capture_default_str()
      ->group(group);
  command.add_option("--memory", flags.memory, "for rows on their way and row hashes")
      ->envname("CALVE_MEMORY")
      ->capture_default_str()
      ->group(group);
}

Result<offload::RetireRequest> RequestOf(const RetireFlags& flags) {
  ARROW_RETURN_NOT_OK(CheckTableChoice(flags.choice, "retire",
                                       {{"--source", flags.source.url},
                                        PlaceOption(flags.target),
                                        {"--source-table", flags.source_table},
                                        {"--target-table", flags.target_table},
                                        {"--timestamp-col", flags.timestamp_col}}));
  offload::RetireRequest request;
  request.source_table = flags.source_table;
  if (flags.choice.config.empty()) {
    ARROW_ASSIGN_OR_RAISE(request.target, catalog::ParseTableIdent(flags.target_table, flags.target.catalog_name));
  }
  request.timestamp_column = flags.timestamp_col;
  request.key = flags.key;
  ARROW_ASSIGN_OR_RAISE(request.columns.types, ParseTypes(flags.types));
  ARROW_ASSIGN_OR_RAISE(request.columns.expressions, ParsePairs("--expr", flags.expressions));
  request.columns.excluded = flags.excluded;
  if (flags.older_than.empty() == flags.before.empty()) {
    return MakeError(ErrorKind::kConfig, "one of --older-than and --before is needed, and one only",
                     "calve retire --help has examples.");
  }
  if (!flags.older_than.empty()) {
    ARROW_ASSIGN_OR_RAISE(request.older_than_micros, ParseDuration(flags.older_than));
  } else {
    ARROW_ASSIGN_OR_RAISE(request.before, ParseTimestamp(flags.before));
  }
  request.view = flags.view;
  request.optimize = flags.optimize;
  request.strict = flags.strict;
  request.dry_run = flags.dry_run;
  ARROW_ASSIGN_OR_RAISE(request.lease_micros, ParseDuration(flags.lease));
  ARROW_ASSIGN_OR_RAISE(request.memory_bytes, ParseBytes(flags.memory));
  ARROW_ASSIGN_OR_RAISE(request.settings, ParsePairs("--setting", flags.source.settings));
  return request;
}

// The request's limit, and what the configuration says of the table.
Result<offload::RetireRequest> RequestOf(const config::TableConfig& table, offload::RetireRequest request) {
  if (!table.query.empty() || !table.where.empty()) {
    return MakeError(
        ErrorKind::kConfig,
        fmt::format("{} is offloaded by a {}: cold does not hold all rows of its parts, and parts are dropped "
                    "whole",
                    table.name, table.query.empty() ? "condition (where)" : "query"),
        "Choose other tables with --table NAME, and let a TTL of ClickHouse expire this one's rows.");
  }
  const offload::OffloadRequest offload = cycle::RequestOf(table);
  request.source_table = offload.source_table;
  request.target = offload.target;
  request.timestamp_column = offload.timestamp_column;
  request.columns = offload.columns;
  if (request.key.empty()) request.key = offload.key;
  if (request.view.empty()) request.view = offload.view;
  for (const auto& [name, value] : offload.settings) request.settings.emplace(name, value);
  return request;
}

Json PartJson(const offload::HotPart& part) {
  const bool timed = part.rows_seen > part.rows_null_cursor;
  return {{"name", part.name},
          {"partition", part.partition_id},
          {"rows", part.rows},
          {"bytes", part.bytes},
          {"from", timed ? Json(FormatTimestamp(part.first)) : Json(nullptr)},
          {"to", timed ? Json(FormatTimestamp(part.last)) : Json(nullptr)}};
}

Json ResultJson(const offload::RetireResult& r, const RetireFlags& flags, int code) {
  Json json = {{"table", r.table}, {"target", r.target}, {"dry_run", flags.dry_run}};
  if (r.held_by) {
    json["skipped"] = true;
    json["held_by"] = {{"host", r.held_by->host},
                       {"pid", r.held_by->pid},
                       {"since", FormatTimestamp(r.held_by->since)},
                       {"until", FormatTimestamp(r.held_by->until)}};
    json["exit_code"] = code;
    return json;
  }
  json["limit"] = FormatTimestamp(r.limit);
  json["watermark"] = TimeOrNull(r.watermark);
  json["retired_to"] = TimeOrNull(r.retired_to);
  json["snapshot_id"] = r.snapshot_id ? Json(*r.snapshot_id) : Json(nullptr);
  json["rows_verified"] = r.rows_verified;
  json["parts"] = r.dropped.size();
  json["rows"] = r.rows();
  json["bytes"] = r.bytes();
  json["dropped"] = Json::array();
  for (const auto& part : r.dropped) json["dropped"].push_back(PartJson(part));
  json["kept"] = Json::array();
  for (const auto& kept : r.kept) {
    Json part = PartJson(kept.part);
    part["reason"] = kept.reason;
    json["kept"].push_back(std::move(part));
  }
  json["parts_newer"] = r.newer;
  json["differences"] = Json::array();
  for (const auto& bucket : r.differences) {
    json["differences"].push_back({{"bucket", FormatTimestamp(bucket.start)},
                                   {"missing", bucket.missing},
                                   {"changed", bucket.changed},
                                   {"defaulted", bucket.defaulted}});
  }
  json["notes"] = r.notes;
  json["duration_seconds"] = r.seconds;
  if (!r.ended_early.ok()) json["error"] = ErrorJson(r.ended_early);
  json["exit_code"] = code;
  return json;
}

void PrintResult(const offload::RetireResult& r, bool dry_run) {
  if (r.held_by) {
    std::printf(
        "%s: skipped, another calve works on it: process %lld on %s, since %s; its lease ends at %s unless it renews "
        "it\n",
        r.table.c_str(), static_cast<long long>(r.held_by->pid), r.held_by->host.c_str(),
        FormatTimestamp(r.held_by->since).c_str(), FormatTimestamp(r.held_by->until).c_str());
    return;
  }
  const size_t parts = r.dropped.size();
  std::printf("%s: %s %zu part%s, %s rows, %s, in %s\n", r.table.c_str(), dry_run ? "would drop" : "dropped", parts,
              parts == 1 ? "" : "s", HumanCount(r.rows()).c_str(), HumanBytes(r.bytes()).c_str(),
              HumanSeconds(r.seconds).c_str());
  std::printf("  limit      %s\n", FormatTimestamp(r.limit).c_str());
  if (r.snapshot_id) {
    std::printf("  verified   %s rows against snapshot %lld of %s\n", HumanCount(r.rows_verified).c_str(),
                static_cast<long long>(*r.snapshot_id), r.target.c_str());
  }
  std::map<std::string, size_t> reasons;
  for (const auto& kept : r.kept) ++reasons[kept.reason];
  for (const auto& [reason, count] : reasons) {
    std::printf("  kept       %zu part%s: %s\n", count, count == 1 ? "" : "s", reason.c_str());
  }
}

// One table: told, and its JSON where that is wanted. The exit code.
int RetireOne(const RetireFlags& flags, const OpenedTables& sides, const Result<offload::RetireRequest>& request,
              const std::string& name, const config::TableConfig* table, FindingsFile& findings,
              CommandNotices& notices, StopToken& stop, Terminal& terminal, Json& json) {
  const SystemClock clock;
  const TargetSide& side = sides.target;
  source::RunSource source = RunOf(*sides.source, name, "retire", terminal);
  auto retire = [&]() -> Result<offload::RetireResult> {
    ARROW_RETURN_NOT_OK(request.status());
    const offload::OffloadContext context{source, *side.catalog, *side.file_io, side.journal.get(),
                                          clock,  stop,          terminal};
    return offload::RetireTable(context, *request);
  };
  auto result = retire();
  const bool was_stopped = !result.ok() && KindOf(result.status()) == ErrorKind::kStopped;
  if (!flags.dry_run && !was_stopped) {
    if (table) notices.Add(ObservationsOf(*table, result, source.run_id()));
    const std::string label = sides.config ? name : source::BareTableName(name);
    findings.Add([label, result, now = clock.Now()](serve::MetricSet& set) { AddRetired(set, label, result, now); });
  }
  terminal.EndProgress();
  const Status error = result.ok() ? result->ended_early : result.status();
  int code = ExitCodeOf(error, stop);
  if (!error.ok()) terminal.Error(WithContext(error, "retire " + name));
  if (error.ok() && result->different()) code = kExitDifference;
  if (result.ok() && !result->held_by) {
    Event event(EventKind::kTableRetired,
                fmt::format("{}: {} {} parts with {} rows", name, flags.dry_run ? "would drop" : "dropped",
                            result->dropped.size(), HumanCount(result->rows())));
    event.Set(EventField::kRun, source.run_id()).Set(EventField::kTable, name).Set(EventField::kTarget, result->target);
    event.Set(EventField::kParts, static_cast<int64_t>(result->dropped.size())).Set(EventField::kRows, result->rows());
    event.Set(EventField::kBytes, result->bytes()).Set(EventField::kSnapshotId, result->snapshot_id);
    terminal.TellResult(event.Set(EventField::kDurationSeconds, result->seconds));
  }
  if (result.ok()) {
    json = ResultJson(*result, flags, code);
    if (!flags.output.json) PrintResult(*result, flags.dry_run);
  } else {
    json = {{"table", name},
            {"target", request.ok() ? request->target.ToString() : ""},
            {"error", ErrorJson(error)},
            {"exit_code", code}};
  }
  return code;
}

Result<int> Execute(const RetireFlags& flags, StopToken& stop, Terminal& terminal) {
  ARROW_ASSIGN_OR_RAISE(const offload::RetireRequest request, RequestOf(flags));
  const SystemClock clock;
  ARROW_ASSIGN_OR_RAISE(const OpenedTables sides, OpenTables(flags.choice, flags.source, flags.target,
                                                             /*with_source=*/true, flags.dry_run, clock, stop));
  const Status& journal = sides.target.journal_error;
  if (!sides.target.journal && !journal.ok()) terminal.Tell(JournalUnavailable(journal));
  const config::Config* config = sides.config ? &*sides.config : nullptr;
  FindingsFile findings(MetricsFileOf(flags.metrics_file, config, "retire"), serve::RetireDescriptions(), config);
  CommandNotices notices(config, terminal);
  Json json;
  if (!sides.config) {
    const int code =
        RetireOne(flags, sides, request, flags.source_table, nullptr, findings, notices, stop, terminal, json);
    findings.Write(terminal);
    if (flags.output.json) PrintJson(json);
    return code;
  }
  Json all = {{"tables", Json::array()}};
  ExitCodes codes;
  for (size_t i : sides.chosen) {
    const config::TableConfig& table = sides.config->tables[i];
    ARROW_RETURN_NOT_OK(stop.Check());
    json = Json::object();
    codes.Add(RetireOne(flags, sides, RequestOf(table, request), table.name, &table, findings, notices, stop, terminal,
                        json));
    Json named = {{"name", table.name}};
    named.update(json);
    all["tables"].push_back(std::move(named));
  }
  findings.Write(terminal);
  all["exit_code"] = codes.code();
  if (flags.output.json) PrintJson(all);
  return codes.code();
}

int RunRetire(const RetireFlags& flags, StopToken& stop) {
  Terminal terminal(TerminalOptionsOf(flags.output));
  auto code = Execute(flags, stop, terminal);
  if (code.ok()) return *code;
  const bool configured = !flags.choice.config.empty();
  terminal.Error(WithContext(code.status(), "retire " + (configured ? flags.choice.config : flags.source_table)));
  const int failed = ExitCodeOf(code.status(), stop);
  if (flags.output.json) {
    PrintJson({{"table", flags.source_table},
               {"target", flags.target_table},
               {"error", ErrorJson(code.status())},
               {"exit_code", failed}});
  }
  return failed;
}

}  // namespace

void AddRetireCommand(CLI::App& app, RunCommand& run) {
  auto flags = std::make_shared<RetireFlags>();
  CLI::App* command = app.add_subcommand("retire", "Drops parts from ClickHouse whose rows are verified in cold");
  AddTableFlags(*command, *flags);
  AddRetireFlags(*command, *flags);
  AddSourceFlags(*command, flags->source);
  AddTargetFlags(*command, flags->target);
  AddTableChoice(*command, "Table", flags->choice);
  AddOutputFlags(*command, flags->output);
  AddMetricsFileFlag(*command, flags->metrics_file);
  command->footer(kRetireFooter);
  command->callback([flags, &run] { run = [flags](StopToken& stop) { return RunRetire(*flags, stop); }; });
}

}  // namespace calve::cli
