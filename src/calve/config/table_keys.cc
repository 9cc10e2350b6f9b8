// The keys of one table, and of `defaults`.
#include <algorithm>

#include "calve/config/bind.h"
#include "calve/config/config.h"

namespace calve::config {
namespace {

const Mapping& CursorKeys() {
  static const Mapping kMapping = {
      .keys =
          {
              Required(
                  Bind("timestamp", Form::kText, &CursorConfig::timestamp,
                       "The DateTime or DateTime64 column that tells when a row is of; windows are cut along it.")),
              Bind("sequence", Form::kText, &CursorConfig::sequence,
                   "An integer column whose highest value is reported."),
              Bind("covers", Form::kDuration, &CursorConfig::covers_micros,
                   "Each row stands for so long a time from its timestamp on, as a candle does (`1h`): it is offloaded "
                   "when that has passed, here and in the tables under `after`."),
          },
      .is_merged = true,
  };
  return kMapping;
}

const Mapping& ColumnKeys() {
  static const Mapping kMapping = {
      .keys =
          {
              Bind("expr", Form::kText, &ColumnConfig::expr,
                   "ClickHouse expression in its place: `toString(payload)`. A name that the source lacks becomes a "
                   "new column."),
              Bind("type", Form::kType, &ColumnConfig::type,
                   "Iceberg type of the new column, such as `decimal(20,0)` ([types](types.md))."),
              Bind("rename", Form::kText, &ColumnConfig::rename, "Its name in the target."),
              Bind("exclude", Form::kBoolean, &ColumnConfig::exclude, "`true`: the column is left out."),
          },
      .at_most_one = {{"exclude", "expr"}, {"exclude", "type"}, {"exclude", "rename"}},
      .is_merged = true,
  };
  return kMapping;
}

const Mapping& ConstantKeys() {
  static const Mapping kMapping = {
      .keys =
          {
              Bind("value", Form::kScalar, &ConstantConfig::value, "The value of every row."),
              Bind("expr", Form::kText, &ConstantConfig::expr,
                   "ClickHouse expression of no column, in place of `value`: `toDate('2024-08-09')`."),
              Bind("type", Form::kType, &ConstantConfig::type, "Iceberg type of the new column."),
          },
      .shorthand = "value",
      .at_most_one = {{"value", "expr"}},
      .is_merged = true,
  };
  return kMapping;
}

const Mapping& ChunkKeys() {
  static const Mapping kMapping = {
      .keys =
          {
              Bind("rows", Form::kInteger, &ChunkConfig::rows, "So many rows at most; `0`: no limit."),
              Bind("bytes", Form::kBytes, &ChunkConfig::bytes,
                   "So many bytes at most, as ClickHouse has the rows on its disk; `0B`: no limit."),
          },
      .is_merged = true,
  };
  return kMapping;
}

const Mapping& DistributeKeys() {
  static const Mapping kMapping = {
      .keys =
          {
              Bind("above", Form::kRows, &DistributeConfig::rows_above,
                   "Windows with more rows than this: `50M`, `500000`. They are not cut into chunks."),
              AtLeast(1, Bind("slice_rows", Form::kRows, &DistributeConfig::slice_rows,
                              "So many rows at most, or about, are in a slice: what one call of a writer takes.")),
              Bind(
                  "command", Form::kTexts, &DistributeConfig::command,
                  "The program and its arguments, run without a shell: lines of slices on its stdin, lines of what was "
                  "written on its stdout: `[calve, write-slice, --config, calve.yaml]`. Has to be here or in "
                  "`defaults`; "
                  "`[]` in a table: its windows stay in this process."),
              AtLeast(kMicrosPerSecond, Bind("timeout", Form::kDuration, &DistributeConfig::timeout_micros,
                                             "It is ended, and the table has failed, after so long.")),
          },
      .is_merged = true,
  };
  return kMapping;
}

const Mapping& MaintainKeys() {
  static const Mapping kMapping = {
      .keys =
          {
              Bind("compact", Form::kBoolean, &MaintainConfig::compact,
                   "Small data files of a partition are written anew as fewer large ones."),
              AtLeast(1 << 20, Bind("target_size", Form::kBytes, &MaintainConfig::target_bytes,
                                    "Of a data file; small is below three quarters of it. Default: the table's "
                                    "`write.target-file-size-bytes`, or 512MiB.")),
              AtLeast(2, Bind("min_files", Form::kInteger, &MaintainConfig::files_min,
                              "So many small files of a partition are worth it: one less stay at most.")),
              Bind("manifests", Form::kBoolean, &MaintainConfig::manifests, "Small manifests are joined."),
              Bind("expire", Form::kBoolean, &MaintainConfig::expire,
                   "Old snapshots are ended, and what only they refer to is deleted."),
              AtLeast(kMicrosPerSecond,
                      Bind("snapshots_older_than", Form::kDuration, &MaintainConfig::snapshot_age_micros,
                           "Of `expire`: these. Default: the table's `history.expire.max-snapshot-age-ms`, or 5d.")),
              AtLeast(1, Bind("keep_snapshots", Form::kInteger, &MaintainConfig::keep_snapshots,
                              "Of `expire`: so many of every branch stay, however old. Default: the table's "
                              "`history.expire.min-snapshots-to-keep`, or 1.")),
              Bind("statistics", Form::kBoolean, &MaintainConfig::statistics,
                   "How many distinct values each column has is counted and left in a Puffin file, for engines that "
                   "plan "
                   "by it: every row is read, each time that the table has changed."),
              Bind("orphans", Form::kBoolean, &MaintainConfig::orphans,
                   "Files that the table's metadata does not refer to are removed."),
              AtLeast(kMicrosPerDay, Bind("orphans_older_than", Form::kDuration, &MaintainConfig::orphan_age_micros,
                                          "Of `orphans`: younger files are left alone, for a run that still writes "
                                          "may be about to commit them.")),
          },
      .is_merged = true,
  };
  return kMapping;
}

// What only one table can have.
std::vector<Key> IdentityKeys() {
  return {
      Own(Bind("source", Form::kText, &TableConfig::source, "ClickHouse table or view: `table` or `db.table`.")),
      Own(Bind("query", Form::kText, &TableConfig::query,
               "A `SELECT` in place of `source`; the table then needs a `name`.")),
      Own(Bind("name", Form::kText, &TableConfig::name,
               "What `after`, `--table`, logs and metrics call the table; unique in the file. Default: the source "
               "table's name without its database.")),
      Own(Required(Bind("target", Form::kText, &TableConfig::target,
                        "Iceberg table: `namespace.table`; made where it does not exist."))),
      Own(Bind("after", Form::kTexts, &TableConfig::after,
               "Names of the tables whose watermarks this one's windows never pass. Default: every table of the layer "
               "before; `[]`: none.")),
  };
}

std::vector<Key> RowKeys() {
  return {
      BindMapping("cursor", &TableConfig::cursor, CursorKeys(), "Where windows are cut."),
      BindChoice<TableConfig, offload::Mode>(
          "mode", &TableConfig::mode,
          {{"auto", offload::Mode::kAuto}, {"append", offload::Mode::kAppend}, {"upsert", offload::Mode::kUpsert}},
          "`append`: rows do not change; `upsert`: newer versions replace older ones by key; `auto`: upsert for "
          "engines "
          "that merge rows (Replacing-, AggregatingMergeTree …), else append."),
      Bind("key", Form::kTexts, &TableConfig::key,
           "Columns that tell rows apart. Default: the sorting key of engines that merge rows, else whole rows are "
           "compared."),
      Bind("where", Form::kText, &TableConfig::where, "ClickHouse condition: only rows that fulfil it are offloaded."),
      BindMappings("columns", &TableConfig::columns, ColumnKeys(), "What becomes of single columns, by name."),
      BindMappings("constants", &TableConfig::constants, ConstantKeys(),
                   "Additional columns that have the same value in every row, by name: `{venue: kraken}`."),
      BindChoice<TableConfig, offload::NewColumns>("new_columns", &TableConfig::new_columns,
                                                   {{"add", offload::NewColumns::kAdd},
                                                    {"ignore", offload::NewColumns::kIgnore},
                                                    {"fail", offload::NewColumns::kFail}},
                                                   "What becomes of source columns that the target lacks."),
      Bind("partition_by", Form::kTexts, &TableConfig::partition_by,
           "A column or `years(c)`, `months(c)`, `days(c)`, `hours(c)`, `bucket(N, c)`, `truncate(W, c)`."),
      Bind("sort_by", Form::kTexts, &TableConfig::sort_by,
           "Rows are sorted so (in ClickHouse) and the table declares it: `[symbol, exchange_timestamp desc]`."),
      Bind("properties", Form::kScalars, &TableConfig::properties,
           "Table properties of the target, by name; where it exists, those that differ are set."),
  };
}

std::vector<Key> WindowKeys() {
  return {
      Bind("layer", Form::kText, &TableConfig::layer,
           "`bronze`, `silver`, `gold` or a name of your own: what `after` goes by, and a label in the journal and the "
           "metrics."),
      Bind("buffer", Form::kDuration, &TableConfig::buffer_micros,
           "The newest rows are left alone for so long: they may still arrive."),
      Bind("lookback", Form::kDuration, &TableConfig::lookback_micros,
           "How far behind the watermark rows are looked for that were inserted late or have changed; `0s`: never."),
      Bind("lease", Form::kDuration, &TableConfig::lease_micros,
           "While one calve works on the table, others that share the journal skip it; one that was killed or hangs is "
           "waited for at most so long. `0s`: no lease."),
      Bind("start_from", Form::kTime, &TableConfig::start_from,
           "For a target with rows that calve did not put there: rows up to this time are in it, or `beginning` to "
           "load all."),
      BindMapping("chunk", &TableConfig::chunk, ChunkKeys(),
                  "A larger window (a first load, a backlog) is committed in chunks, cut at full hours: what is in "
                  "stays in if the run is interrupted."),
      AtLeast(1,
              Bind("readers", Form::kInteger, &TableConfig::readers,
                   "So many queries read a window (a chunk) of at least 100,000 rows at once, each a part of its time: "
                   "where the network or a single query is what takes long. One is taken where rows are sorted, and "
                   "where a key may be at several times.")),
      AtLeast(1, Bind("memory", Form::kBytes, &TableConfig::memory_bytes,
                      "For blocks in flight and open files together. Default: the table's share of `limits.memory`, "
                      "512MiB at most.")),
      Bind("settings", Form::kScalars, &TableConfig::settings, "ClickHouse settings of the reading queries, by name."),
      Bind("view", Form::kText, &TableConfig::view,
           "After each window this ClickHouse view over hot and cold rows is created or replaced (`calve view "
           "--help`)."),
      BindMapping("distribute", &TableConfig::distribute, DistributeKeys(),
                  "Large windows are written by other processes, on other machines, and committed here "
                  "([Spark](spark.md#large-windows-of-calve-run))."),
      BindMapping("maintain", &TableConfig::maintain, MaintainKeys(),
                  "What `calve maintain --config`, and `calve serve` with `schedule.maintain_every`, do to the target "
                  "([maintenance](maintain.md))."),
  };
}

}  // namespace

const Mapping& TableKeys() {
  static const Mapping kMapping = [] {
    Mapping mapping;
    for (auto& keys : {IdentityKeys(), RowKeys(), WindowKeys()}) {
      mapping.keys.insert(mapping.keys.end(), keys.begin(), keys.end());
    }
    mapping.exactly_one = {{"source", "query"}};
    mapping.is_merged = true;
    return mapping;
  }();
  return kMapping;
}

const Mapping& DefaultsKeys() {
  static const Mapping kMapping = [] {
    Mapping mapping;
    mapping.is_merged = true;
    for (const Key& key : TableKeys().keys) {
      if (key.is_own) {
        mapping.misplaced.push_back(key.name);
      } else {
        mapping.keys.push_back(key);
      }
    }
    return mapping;
  }();
  return kMapping;
}

const Key* Mapping::Find(std::string_view key) const {
  auto found = std::ranges::find(keys, key, &Key::name);
  return found == keys.end() ? nullptr : &*found;
}

std::vector<std::string> Mapping::Names() const {
  std::vector<std::string> names;
  for (const Key& key : keys) names.push_back(key.name);
  return names;
}

}  // namespace calve::config
