// Questions to each shard of a source, side by side. A source that is no cluster is one shard.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "calve/source/source.h"

namespace calve::source {

using TextRows = std::vector<std::vector<std::string>>;

// 1 where the source is no cluster.
Result<int> ShardsOf(Source& source);

// The small answer of each shard, by shard, to be put together by who asks: counts are to be added, the smallest taken
// for a minimum. An error of one is the error of all.
Result<std::vector<TextRows>> QueryShards(Source& source, const std::string& sql, const QueryOptions& options = {});

// The same of queries for a count: one number a shard, added.
Result<int64_t> CountOnShards(Source& source, const std::string& sql, const QueryOptions& options = {});

// The answer of each server that can be asked, by shard and server; no limit on how many are asked at once but 16.
struct ServerAnswer {
  std::string server;
  Result<TextRows> rows = TextRows{};
};
Result<std::vector<std::vector<ServerAnswer>>> QueryServers(Source& source, const std::string& sql,
                                                            const QueryOptions& options = {});

// Calls it with 0 … count - 1, from several threads; returns when all have returned.
void ForEachAtOnce(size_t count, const std::function<void(size_t)>& call);

// Options with which a query goes to that server of a cluster and no other.
QueryOptions AtServer(QueryOptions options, int shard, const std::string& server);

}  // namespace calve::source
