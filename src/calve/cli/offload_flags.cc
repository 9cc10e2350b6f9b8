#include "calve/cli/offload_flags.h"

namespace calve::cli {
namespace {

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

}  // namespace

void AddOffloadFlags(CLI::App& command, OffloadFlags& flags) {
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
      .add_option("--start-from", flags.start_from,
                  "for a target with rows that calve did not put there: rows up to this TIME "
                  "are in it, or 'beginning' to load all")
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
}

Result<offload::OffloadRequest> OffloadRequestOf(const OffloadFlags& flags) {
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

}  // namespace calve::cli
