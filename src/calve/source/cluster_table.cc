#include "calve/source/cluster_table.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>
#include <set>

#include "calve/source/cluster_query.h"
#include "calve/source/distributed_table.h"
#include "calve/source/shard_source.h"

namespace calve::source {
namespace {

// The Distributed table of that name that a server of the cluster has; nothing where it is another engine's, or none.
Result<std::optional<DistributedOver>> FindDistributed(Source& source, const std::string& database,
                                                       const std::string& table) {
  ARROW_ASSIGN_OR_RAISE(
      const auto answers,
      QueryServers(source, fmt::format("SELECT engine_full FROM system.tables WHERE database = {} AND name = {}",
                                       QuoteString(database), QuoteString(table))));
  for (const auto& shard : answers) {
    for (const ServerAnswer& answer : shard) {
      if (!answer.rows.ok() || answer.rows->empty()) continue;
      if (auto over = ParseDistributed(answer.rows->front().at(0))) return over;
    }
  }
  return std::nullopt;
}

// That the table stands for the shards which the source reads, and no others.
Status CheckShardsOf(Source& source, const ClusterShape& shape, const std::string& table, const DistributedOver& over) {
  const auto wrong = [&](const std::string& what) {
    return MakeError(ErrorKind::kConfig,
                     fmt::format("{} is a Distributed table over the cluster {}{}", table, over.cluster, what),
                     "Name that cluster, or its servers as the shards, or the table that each shard has.");
  };
  if (over.cluster.empty() || over.cluster.find('{') != std::string::npos) return Status::OK();
  if (shape.is_named && shape.name != over.cluster) return wrong(", and the source is the cluster " + shape.name);
  ARROW_ASSIGN_OR_RAISE(const auto answers,
                        QueryServers(source, fmt::format("SELECT toString(uniqExact(shard_num)) FROM system.clusters "
                                                         "WHERE cluster = {}",
                                                         QuoteString(over.cluster))));
  for (const auto& shard : answers) {
    for (const ServerAnswer& answer : shard) {
      if (!answer.rows.ok() || answer.rows->empty() || answer.rows->front().at(0) == "0") continue;
      const std::string& has = answer.rows->front().at(0);
      if (has == std::to_string(shape.shards.size())) return Status::OK();
      return wrong(fmt::format(" of {} shards, and the source has {}", has, shape.shards.size()));
    }
  }
  return Status::OK();
}

std::optional<int64_t> Sum(const std::optional<int64_t>& a, const std::optional<int64_t>& b) {
  return a && b ? std::optional(*a + *b) : std::nullopt;
}

}  // namespace

std::string TableDifference(const SourceTable& there, const SourceTable& here) {
  const auto differ = [](const std::string& what, const std::string& a, const std::string& b) {
    return fmt::format("{} is {} there and {} here", what, a.empty() ? "nothing" : a, b.empty() ? "nothing" : b);
  };
  if (there.engine != here.engine) return differ("the engine", there.engine, here.engine);
  if (there.sorting_key != here.sorting_key) return differ("the sorting key", there.sorting_key, here.sorting_key);
  if (there.partition_key != here.partition_key) {
    return differ("the partition key", there.partition_key, here.partition_key);
  }
  if (there.engine_arguments != here.engine_arguments) return "the engine's columns differ";
  const auto find = [](const SourceTable& table, const std::string& name) {
    return std::find_if(table.columns.begin(), table.columns.end(),
                        [&](const SourceColumn& column) { return column.name == name; });
  };
  for (const SourceColumn& column : there.columns) {
    const auto other = find(here, column.name);
    if (other == here.columns.end()) return fmt::format("column {} is there and not here", column.name);
    if (column.type.text != other->type.text) {
      return differ("column " + column.name, column.type.text, other->type.text);
    }
    if (column.default_kind != other->default_kind) {
      return differ("the default of column " + column.name, column.default_kind, other->default_kind);
    }
  }
  for (const SourceColumn& column : here.columns) {
    if (find(there, column.name) == there.columns.end()) {
      return fmt::format("column {} is here and not there", column.name);
    }
  }
  return "";
}

Result<SourceTable> DescribeOnCluster(Source& source, const std::string& table) {
  ARROW_ASSIGN_OR_RAISE(const auto shape, source.cluster()->Shape());
  ARROW_ASSIGN_OR_RAISE(const auto name, ParseQualifiedName(table, source.database()));
  ARROW_ASSIGN_OR_RAISE(const auto over, FindDistributed(source, name.first, name.second));
  std::string local = table;
  if (over) {
    ARROW_RETURN_NOT_OK(CheckShardsOf(source, *shape, table, *over));
    local = QuoteIdentifier(over->database.empty() ? name.first : over->database) + "." + QuoteIdentifier(over->table);
  }
  std::optional<SourceTable> whole;
  for (size_t shard = 0; shard < shape->shards.size(); ++shard) {
    ShardSource of_shard(source, static_cast<int>(shard));
    auto described = DescribeTable(of_shard, local);
    if (!described.ok()) return WithContext(described.status(), fmt::format("shard {}", shard + 1));
    if (!whole) {
      whole = std::move(*described);
      continue;
    }
    if (const std::string difference = TableDifference(*whole, *described); !difference.empty()) {
      return MakeError(
          ErrorKind::kConfig,
          fmt::format("{}: shard {} ({}, …) has it otherwise than shard 1 ({}, …): {}", described->FullName(),
                      shard + 1, shape->shards[shard].front(), shape->shards[0].front(), difference),
          "Make the table the same on all shards (ALTER TABLE … ON CLUSTER).");
    }
    whole->total_rows = Sum(whole->total_rows, described->total_rows);
    whole->total_bytes = Sum(whole->total_bytes, described->total_bytes);
  }
  if (!whole) return MakeError(ErrorKind::kConfig, source.name() + ": the cluster has no shard");
  if (whole->engine == "Distributed") {
    return MakeError(ErrorKind::kConfig,
                     fmt::format("{} is a Distributed table whose table on the shards is not known", whole->FullName()),
                     "Name the table that each shard has.");
  }
  whole->uuid.clear();  // another one on each server, unless they were created together
  whole->shards = static_cast<int>(shape->shards.size());
  whole->sharding_key = over ? over->sharding_key : "";
  return *std::move(whole);
}

Result<ServerInfo> AskCluster(Source& source) {
  ARROW_ASSIGN_OR_RAISE(const auto shape, source.cluster()->Refresh());
  std::optional<ServerInfo> whole;
  std::set<std::string> uuids;
  for (size_t shard = 0; shard < shape->shards.size(); ++shard) {
    ShardSource of_shard(source, static_cast<int>(shard));
    ARROW_ASSIGN_OR_RAISE(const ServerInfo server, AskServer(of_shard));
    if (!server.uuid.empty() && !uuids.insert(server.uuid).second) {
      return MakeError(ErrorKind::kConfig,
                       fmt::format("shard {} ({}) has the same server as a shard before, under another name: its rows "
                                   "would be offloaded twice",
                                   shard + 1, fmt::join(shape->shards[shard], ", ")),
                       "Name each server once, in the shard whose rows it has.");
    }
    if (!whole) {
      whole = server;
      continue;
    }
    whole->now = std::min(whole->now, server.now);
    if (std::pair(server.major, server.minor) < std::pair(whole->major, whole->minor)) {
      whole->major = server.major;
      whole->minor = server.minor;
      whole->version = server.version;
    }
  }
  if (!whole) return MakeError(ErrorKind::kConfig, source.name() + ": the cluster has no shard");
  // The name of the cluster says more than the identity of one of its servers, which may be another one next time.
  whole->uuid = shape->name;
  std::replace(whole->uuid.begin(), whole->uuid.end(), '/', '_');
  return *whole;
}

}  // namespace calve::source
