// A ClickHouse cluster as one Source: shards × replicas, each of them an HTTP source.
//
// What it promises: a query for rows says which shard it is for, or that it is for all, and is refused otherwise: one
// shard's answer never stands for the table's. A server that cannot be reached, or does not begin to answer, is passed
// over, and another one of the shard asked; where none answers, the query fails, whatever the other shards say. An
// answer that breaks off in the middle is kRetry, and the server passed over from then on: who asks again is served by
// another one. No more than `queries_per_server` queries for rows run on a server at once.
//
// What it does not promise: that a replica has all rows. Which of them do is a question of the table and the window
// (offload/holding_replicas.h); QueryOptions::among says who may be asked.
#pragma once

#include <functional>
#include <memory>

#include "calve/source/cluster_servers.h"
#include "calve/source/source.h"

namespace calve::source {

// How a server is opened; OpenHttpSource, but for tests. The options' attempts are for one server: it fails soon, and
// another one is asked.
using OpenServer = std::function<Result<std::unique_ptr<Source>>(const SourceUrl& url, const SourceOptions& options,
                                                                 const StopToken& stop)>;

// Asks nothing yet; but the shape that is spelled out is checked. Statements that change something are refused
// (kUnsupported).
Result<std::unique_ptr<Source>> OpenClusterSource(const SourceUrl& base, const SourceOptions& options,
                                                  const StopToken& stop, OpenServer open);

}  // namespace calve::source
