// A table that each shard of a cluster has a part of, as one table; and the servers' clocks as one.
#pragma once

#include <string>

#include "calve/source/introspection.h"

namespace calve::source {

// DescribeTable and AskServer where the source is a cluster.
//
// The table: the local one, by name or through the Distributed one that stands for it. Its sizes are added; kConfig
// where two shards have it with other columns, keys or engines, or where the Distributed table is over other shards
// than the source.
Result<SourceTable> DescribeOnCluster(Source& source, const std::string& table);
// The earliest clock and the oldest version of all shards. Looks anew which servers there are.
Result<ServerInfo> AskCluster(Source& source);

// What the table of one shard has otherwise than that of another: "column price is Decimal(18, 8) there and Float64
// here"; empty: nothing that matters. Pure.
std::string TableDifference(const SourceTable& there, const SourceTable& here);

}  // namespace calve::source
