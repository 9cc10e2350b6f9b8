#include <cstdio>
#include <nlohmann/json.hpp>
#include <utility>

#include "calve/cli/command.h"
#include "calve/cli/cycle_terminal.h"
#include "calve/cli/exit_code.h"
#include "calve/cli/json_output.h"
#include "calve/cli/metrics_output.h"
#include "calve/cli/offload_report.h"
#include "calve/cli/session.h"
#include "calve/offload/offload.h"
#include "calve/source/introspection.h"

namespace calve::cli {
namespace {

constexpr const char* kOffloadFooter = R"(Examples:
  calve offload --source http://default@127.0.0.1:8123/k2 --warehouse file:///srv/cold \
      --source-table bronze_trades --target-table cold.bronze_trades \
      --timestamp-col exchange_timestamp --sequence-col sequence_number --partition-by 'days(exchange_timestamp)'
  calve offload … --dry-run          what would be done: window, rows, query; nothing is changed
  calve offload … --until 2024-08-09T00:00:00Z
  CALVE_STATE_PASSWORD=… calve offload … --state 'postgresql://calve@db/platform?sslmode=verify-full'
                                     the journal in PostgreSQL, for calves on several machines (docs/journal.md)

The window begins at the watermark, which is read from the target table's newest snapshot of calve's, and ends at the
ClickHouse server's clock minus --buffer. Run it as often as you like: each row is offloaded once.)";

struct OffloadFlags {
  SourceFlags source;
  TargetFlags target;
  OutputFlags output;
  std::string source_table, target_table, timestamp_col, sequence_col, layer, buffer = "5m", covers = "0s", until,
                                                                              start_from;
  std::vector<std::string> partition_by, types, expressions, excluded, renamed, properties;
  std::string where;
  std::string view, sort_by, new_columns = "add", memory = "512MiB", lease = "10m", lookback = "2d", mode = "auto";
  std::string chunk_bytes = "16GiB";
  int64_t chunk_rows = 50'000'000;
  int64_t readers = 1;
  std::vector<std::string> key;
  std::string metrics_file;
  bool dry_run = false, repartition = false;
};

void AddFlags(CLI::App& command, OffloadFlags& flags) {
  const char* group = "Table";
  command.add_option("--source-table", flags.source_table, "ClickHouse table: table or db.table")
      ->required()
      ->envname("CALVE_SOURCE_TABLE")
      ->group(group);
  command
      .add_option("--target-table", flags.target_table, "Iceberg table: namespace.table; made where it does not exist")
      ->required()
      ->envname("CALVE_TARGET_TABLE")
      ->group(group);
  command
      .add_option("--timestamp-col", flags.timestamp_col,
                  "the cursor: a DateTime or DateTime64 column that tells when a row is of")
      ->required()
      ->envname("CALVE_TIMESTAMP_COL")
      ->group(group);
  command.add_option("--sequence-col", flags.sequence_col, "an integer column whose highest value is reported")
      ->envname("CALVE_SEQUENCE_COL")
      ->group(group);
  command.add_option("--layer", flags.layer, "bronze, silver, gold: a label for the journal")->group(group);
  command
      .add_option("--partition-by", flags.partition_by,
                  "for a new table: a column or years(c), months(c), days(c), hours(c), "
                  "bucket(N, c), truncate(W, c); repeatable")
      ->group(group);
  command
      .add_flag("--repartition", flags.repartition,
                "a table that exists is partitioned by --partition-by and sorted by --sort-by from now on; older files "
                "stay as "
                "they are")
      ->group(group);
  command
      .add_option("--sort-by", flags.sort_by,
                  "sort rows (in ClickHouse) and declare it: 'symbol, exchange_timestamp desc'")
      ->group(group);
  command
      .add_option("--type", flags.types,
                  "Iceberg type of a new column: NAME=TYPE, such as id=decimal(20,0); repeatable")
      ->group(group);
  command.add_option("--expr", flags.expressions, "ClickHouse expression for a column: NAME=SQL; repeatable")
      ->group(group);
  command.add_option("--exclude", flags.excluded, "leave a column out; repeatable")->group(group);
  command.add_option("--rename", flags.renamed, "a column's name in the target: NAME=NEW; repeatable")->group(group);
  command
      .add_option("--where", flags.where,
                  "ClickHouse condition: only rows that fulfil it are offloaded: \"venue != 'x'\"")
      ->group(group);
  command.add_option("--new-columns", flags.new_columns, "source columns that the target lacks: add, ignore, fail")
      ->check(CLI::IsMember({"add", "ignore", "fail"}))
      ->capture_default_str()
      ->group(group);
  command
      .add_option(
          "--view", flags.view,
          "after each window, create or replace this ClickHouse view over hot and cold rows (calve view --help)")
      ->envname("CALVE_VIEW")
      ->group(group);
  command.add_option("--property", flags.properties, "table property of a new table: NAME=VALUE; repeatable")
      ->group(group);
  const char* window = "Window";
  command.add_option("--buffer", flags.buffer, "leave the newest rows alone for so long: they may still arrive")
      ->envname("CALVE_BUFFER")
      ->capture_default_str()
      ->group(window);
  command
      .add_option(
          "--covers", flags.covers,
          "each row stands for so long a time from its timestamp on, as a candle does: it is offloaded when that "
          "has passed")
      ->envname("CALVE_COVERS")
      ->capture_default_str()
      ->group(window);
  command.add_option("--until", flags.until, "end the window here, if that is earlier: 2024-08-09T00:15:00Z")
      ->group(window);
  command
      .add_option(
          "--chunk-rows", flags.chunk_rows,
          "commit a window of more rows than that in chunks, cut at full hours (minutes, seconds where an hour has "
          "more): what is in stays in if the run is interrupted; 0: no limit")
      ->check(CLI::NonNegativeNumber)
      ->envname("CALVE_CHUNK_ROWS")
      ->capture_default_str()
      ->group(window);
  command
      .add_option("--chunk-bytes", flags.chunk_bytes,
                  "the same by size, as ClickHouse has the rows on its disk; 0B: no limit")
      ->envname("CALVE_CHUNK_BYTES")
      ->capture_default_str()
      ->group(window);
  command
      .add_option("--readers", flags.readers,
                  "so many queries read a window (a chunk) at once, each a part of its time: where the network or a "
                  "single query is what takes long")
      ->check(CLI::PositiveNumber)
      ->envname("CALVE_READERS")
      ->capture_default_str()
      ->group(window);
  command
      .add_option("--start-from", flags.start_from,
                  "for a target with rows that calve did not put there: rows up to this TIME "
                  "are in it, or 'beginning' to load all")
      ->group(window);
  command
      .add_option("--lease", flags.lease,
                  "while this run works, others that share the journal skip the table; one that was killed or hangs is "
                  "waited for at most so long. 0: no lease")
      ->envname("CALVE_LEASE")
      ->capture_default_str()
      ->group(window);
  command
      .add_option("--lookback", flags.lookback,
                  "look so far behind the watermark for rows that were inserted late or have changed, and put them in; "
                  "0s: never")
      ->envname("CALVE_LOOKBACK")
      ->capture_default_str()
      ->group(window);
  command
      .add_option(
          "--mode", flags.mode,
          "append: rows do not change; upsert: newer versions replace older ones by key; auto: upsert for engines "
          "that merge rows (Replacing-, AggregatingMergeTree …), else append")
      ->check(CLI::IsMember({"auto", "append", "upsert"}))
      ->capture_default_str()
      ->group(window);
  command
      .add_option("--key", flags.key,
                  "columns that tell rows apart: a,b (default: the sorting key of engines that merge rows, else whole "
                  "rows are compared)")
      ->delimiter(',')
      ->group(window);
  command.add_flag("--dry-run", flags.dry_run, "say what would be done, and change nothing")->group(window);
  command.add_option("--memory", flags.memory, "for blocks in flight and open files together")
      ->envname("CALVE_MEMORY")
      ->capture_default_str()
      ->group(window);
}

Result<std::vector<std::string>> SplitSort(const std::string& text) {
  std::vector<std::string> terms;
  size_t start = 0;
  while (start <= text.size() && !text.empty()) {
    size_t comma = std::min(text.find(',', start), text.size());
    std::string term = text.substr(start, comma - start);
    if (term.find_first_not_of(' ') == std::string::npos) {
      return MakeError(ErrorKind::kConfig, fmt::format("--sort-by '{}' has an empty term", text));
    }
    terms.push_back(term);
    start = comma + 1;
  }
  return terms;
}

Result<offload::ColumnOptions> ColumnOptionsOf(const OffloadFlags& flags) {
  offload::ColumnOptions columns;
  ARROW_ASSIGN_OR_RAISE(columns.types, ParseTypes(flags.types));
  ARROW_ASSIGN_OR_RAISE(columns.expressions, ParsePairs("--expr", flags.expressions));
  columns.excluded = flags.excluded;
  ARROW_ASSIGN_OR_RAISE(columns.renamed, ParsePairs("--rename", flags.renamed));
  columns.new_columns = flags.new_columns == "fail"     ? offload::NewColumns::kFail
                        : flags.new_columns == "ignore" ? offload::NewColumns::kIgnore
                                                        : offload::NewColumns::kAdd;
  return columns;
}

Result<offload::OffloadRequest> RequestOf(const OffloadFlags& flags) {
  offload::OffloadRequest request;
  request.source_table = flags.source_table;
  ARROW_ASSIGN_OR_RAISE(request.target, catalog::ParseTableIdent(flags.target_table, flags.target.catalog_name));
  request.layer = flags.layer;
  request.where = flags.where;
  request.timestamp_column = flags.timestamp_col;
  request.mode = flags.mode == "append"   ? offload::Mode::kAppend
                 : flags.mode == "upsert" ? offload::Mode::kUpsert
                                          : offload::Mode::kAuto;
  request.sequence_column = flags.sequence_col;
  ARROW_ASSIGN_OR_RAISE(request.buffer_micros, ParseDuration(flags.buffer));
  ARROW_ASSIGN_OR_RAISE(request.covers_micros, ParseDuration(flags.covers));
  if (!flags.until.empty()) {
    ARROW_ASSIGN_OR_RAISE(request.until, ParseTimestamp(flags.until));
  }
  if (flags.start_from == "beginning") {
    request.start_at_first = true;
  } else if (!flags.start_from.empty()) {
    ARROW_ASSIGN_OR_RAISE(request.start_from, ParseTimestamp(flags.start_from));
  }
  ARROW_ASSIGN_OR_RAISE(request.columns, ColumnOptionsOf(flags));
  request.partition_by = flags.partition_by;
  request.repartition = flags.repartition;
  ARROW_ASSIGN_OR_RAISE(request.sort_by, SplitSort(flags.sort_by));
  ARROW_ASSIGN_OR_RAISE(request.properties, ParsePairs("--property", flags.properties));
  ARROW_ASSIGN_OR_RAISE(request.settings, ParsePairs("--setting", flags.source.settings));
  ARROW_ASSIGN_OR_RAISE(request.memory_bytes, ParseBytes(flags.memory));
  ARROW_ASSIGN_OR_RAISE(request.lookback_micros, ParseDuration(flags.lookback));
  request.chunk.rows = flags.chunk_rows;
  request.readers = flags.readers;
  ARROW_ASSIGN_OR_RAISE(request.chunk.bytes, ParseBytes(flags.chunk_bytes));
  request.key = flags.key;
  request.view = flags.view;
  ARROW_ASSIGN_OR_RAISE(request.lease_micros, ParseDuration(flags.lease));
  request.dry_run = flags.dry_run;
  return request;
}

void PrintResult(const offload::OffloadResult& r, bool dry_run) {
  std::string head = fmt::format("{} -> {}: ", r.table, r.target);
  if (r.held_by) {
    head += fmt::format(
        "skipped, another calve works on it: process {} on {}, since {}; its lease ends at {} unless it renews it",
        r.held_by->pid, r.held_by->host, FormatTimestamp(r.held_by->since), FormatTimestamp(r.held_by->until));
  } else if (r.window.empty()) {
    head += fmt::format("nothing to do, the window {} is empty", WindowText(r.window));
  } else if (dry_run) {
    head += fmt::format("would offload {} rows of the window {}{}\n  query      {}", HumanCount(r.rows_expected),
                        WindowText(r.window), InChunks(r), fmt::join(r.queries, "\n"));
  } else {
    double rate = r.seconds > 0 ? static_cast<double>(r.rows) / r.seconds : 0;
    head += fmt::format("{} rows in {} ({} rows/s), {} file{}, {}\n  window     {}{}\n  snapshot   {}",
                        HumanCount(r.rows), HumanSeconds(r.seconds), HumanRate(rate), r.files, r.files == 1 ? "" : "s",
                        HumanBytes(r.bytes), WindowText(r.window), InChunks(r), r.snapshot_id.value_or(0));
  }
  std::printf("%s\n", head.c_str());
}

// As of a cycle over this table alone.
void TellMetrics(const OffloadFlags& flags, const Result<offload::OffloadResult>& result, TimestampMicros started,
                 Terminal& terminal) {
  const auto request = RequestOf(flags);
  if (flags.metrics_file.empty() || flags.dry_run || !request.ok()) return;
  cycle::TableReport table;
  table.name = source::BareTableName(flags.source_table);
  if (!result.ok()) {
    static_cast<schedule::TableOutcome&>(table.outcome) = schedule::TableOutcome::Failed(result.status());
  } else {
    table.offload = *result;
    if (result->held_by) table.outcome.state = schedule::TableState::kSkipped;
  }
  table.outcome.started = started;
  table.outcome.finished = SystemClock().Now();
  cycle::CycleReport report;
  report.tables = {table};
  report.started = started;
  report.finished = *table.outcome.finished;
  WriteCycleMetrics(flags.metrics_file, {{table.name, flags.layer, request->buffer_micros + request->covers_micros}},
                    std::nullopt, report, terminal);
}

Result<offload::OffloadResult> Execute(const OffloadFlags& flags, StopToken& stop, Terminal& terminal) {
  ARROW_ASSIGN_OR_RAISE(offload::OffloadRequest request, RequestOf(flags));
  SystemClock clock;
  ARROW_ASSIGN_OR_RAISE(TargetSide side, OpenTargetSide(flags.target, clock, stop, flags.dry_run));
  std::string without;
  if (!side.journal && !side.journal_error.ok()) {
    const Event event = JournalUnavailable(side.journal_error);
    without = event.message();
    terminal.Tell(event);
  }
  ARROW_ASSIGN_OR_RAISE(auto source, OpenSourceOf(flags.source, stop));
  offload::OffloadContext context{*source, *side.catalog, *side.file_io, side.journal.get(), clock, stop, terminal};
  auto result = offload::OffloadTable(context, request);
  if (result.ok() && !without.empty()) result->notes.push_back(std::move(without));
  return result;
}

int RunOffload(const OffloadFlags& flags, StopToken& stop) {
  Terminal terminal(TerminalOptionsOf(flags.output));
  const TimestampMicros started = SystemClock().Now();
  auto result = Execute(flags, stop, terminal);
  TellMetrics(flags, result, started, terminal);
  terminal.EndProgress();
  int code = ExitCodeOf(result.status(), stop);
  if (!result.ok()) {
    terminal.Error(WithContext(result.status(), fmt::format("{} -> {}", flags.source_table, flags.target_table)));
    if (flags.output.json) {
      Json json = {{"table", flags.source_table},
                   {"target", flags.target_table},
                   {"error", ErrorJson(result.status())},
                   {"exit_code", code}};
      PrintJson(json);
    }
    return code;
  }
  if (!result->held_by) {
    Event event = TableDoneEvent(*result, flags.source_table, flags.dry_run);
    event.Set(EventField::kTable, flags.source_table).Set(EventField::kLayer, flags.layer);
    terminal.TellResult(event);
  }
  if (flags.output.json) {
    PrintJson(ResultJson(*result, flags.dry_run));
  } else {
    PrintResult(*result, flags.dry_run);
  }
  return code;
}

}  // namespace

void AddOffloadCommand(CLI::App& app, RunCommand& run) {
  auto flags = std::make_shared<OffloadFlags>();
  CLI::App* command = app.add_subcommand("offload", "Moves one table's closed window into its Iceberg table");
  AddFlags(*command, *flags);
  AddSourceFlags(*command, flags->source);
  AddTargetFlags(*command, flags->target);
  AddOutputFlags(*command, flags->output);
  AddMetricsFileFlag(*command, flags->metrics_file);
  command->footer(fmt::format("{}\n{}", kOffloadFooter, kExitCodesHelp));
  command->callback([flags, &run] { run = [flags](StopToken& stop) { return RunOffload(*flags, stop); }; });
}

}  // namespace calve::cli
