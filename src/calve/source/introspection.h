// What calve asks a ClickHouse about itself and its tables. Works from 18.16 on.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "calve/base/time.h"
#include "calve/source/clickhouse_type.h"
#include "calve/source/source.h"

namespace calve::source {

struct ServerInfo {
  std::string version;  // "26.5.1.1"
  int major = 0, minor = 0;
  std::string uuid;         // serverUUID(); empty where the server has none
  TimestampMicros now = 0;  // the server's clock
};

struct SourceColumn {
  std::string name;
  ClickHouseType type;
  std::string default_kind;  // "", DEFAULT, MATERIALIZED, ALIAS, EPHEMERAL
  std::string comment;
};

struct SourceTable {
  std::string database, name;
  std::string uuid;    // empty where the database engine has none
  std::string engine;  // "ReplacingMergeTree", …
  // Of engines that are told which column is the version, the sign or the deletion mark: names, in order; what stands
  // in quotes (a replica's path) left out.
  std::vector<std::string> engine_arguments;
  std::string partition_key, sorting_key;  // expressions as text
  // Of a Distributed table: the engine of the tables behind it, whose keys and arguments are then the above. Empty
  // where this server has no such table, or does not show it to this user.
  std::string engine_behind;
  std::string sharding_key;           // an expression; empty: rows may be on any shard
  int shards = 1;                     // of the source, each with a part of the table under this name
  std::vector<SourceColumn> columns;  // in declared order
  std::optional<int64_t> total_rows, total_bytes;
  // Of a SELECT in a table's place (DescribeQuery): its text. Then `engine` is empty, and there are no parts.
  std::string query;
  // The engine that decides whether rows are merged. Only `engine` itself has parts.
  const std::string& merging_engine() const { return engine_behind.empty() ? engine : engine_behind; }
  // A condition over its columns: only rows that fulfil it are offloaded. May be empty; of the caller.
  std::string row_filter;

  std::string FullName() const { return database + "." + name; }
};

// One round trip; two where the server is too old for the first question. Of a cluster: cluster_table.h.
Result<ServerInfo> AskServer(Source& source);
// `table` is "t" or "db.t" (each part may be `quoted`). kNotFound names it and the nearest name in that database, if
// any.
Result<SourceTable> DescribeTable(Source& source, const std::string& table);
// "t" or "db.t" as database and table.
Result<std::pair<std::string, std::string>> ParseQualifiedName(const std::string& table, const std::string& database);
// The same table's name without its database; what is no table name as it is.
std::string BareTableName(const std::string& table);

// A SELECT in a table's place, called `name` in the source's database. kConfig with ClickHouse's words where it does
// not run.
Result<SourceTable> DescribeQuery(Source& source, const std::string& name, const std::string& query);

// All rows of a small answer as text, column by column; NULL is the empty text. Whatever else than numbers and strings
// is asked for should go through toString() in the query.
Result<std::vector<std::vector<std::string>>> QueryRows(Source& source, const std::string& sql,
                                                        const QueryOptions& options = {});
// The same where at least one row has to be: kCorrupt where there is none.
Result<std::vector<std::vector<std::string>>> QueryText(Source& source, const std::string& sql,
                                                        const QueryOptions& options = {});

// The arguments of "ReplicatedReplacingMergeTree('/p', '{r}', ver, `is deleted`) PARTITION BY …" that are columns:
// {"ver", "is deleted"}. Pure.
std::vector<std::string> EngineColumns(const std::string& engine_full);

std::string QuoteIdentifier(const std::string& name);  // `a``b`
std::string QuoteString(const std::string& text);      // 'it\'s'

}  // namespace calve::source
