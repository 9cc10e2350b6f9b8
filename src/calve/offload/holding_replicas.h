// Which replicas of a cluster's shards hold all rows of a table, so that they may be read from.
//
// The invariant: no window is committed without a row that was in the table, on any of its replicas, when this was
// asked. A replica that lacks one is not among the chosen; and where it cannot be known who lacks one, none is.
//
// Replicated tables: ZooKeeper knows every insert; a replica is chosen when it has fetched all that were acknowledged
// before the question (replica_catch_up.h). Replicas that do not answer are passed over: what only they have is missing
// in the others' view of the log, and none is chosen until they are back.
// Other tables: the replicas are compared over the range (alike_replicas.h), and all of them have to answer, for nobody
// knows what is on one that does not.
//
// Rows that are inserted afterwards are late rows, as on a single server.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "calve/base/stop.h"
#include "calve/offload/part_coverage.h"
#include "calve/offload/window.h"
#include "calve/source/source.h"

namespace calve::offload {

struct HoldingReplicas {
  // By shard, in the order of the description; at least one for each. Null where the source is no cluster.
  std::shared_ptr<const source::ShardServers> servers;
  std::vector<std::string> paths;  // of the shards' tables in ZooKeeper; empty where they are not replicated
  std::vector<std::string> notes;  // who is not read from, and why
};

// The active parts of a table on a server that could be asked.
struct ReplicaParts {
  std::string server;
  std::string table_uuid;  // empty: not known
  std::vector<PartBlocks> parts;
};
// By shard. kUnsupported where the engine keeps none.
Result<std::vector<std::vector<ReplicaParts>>> ListReplicasParts(source::Source& source,
                                                                 const source::SourceTable& table);

// `range`: what will be read. Waits for replicas that lag as long as the cluster's description says. kRetry: a shard
// has no replica that is known to hold all rows. kConfig: its servers are no replicas of one table, or two shards are.
Result<HoldingReplicas> FindHoldingReplicas(source::Source& source, const source::SourceTable& table,
                                            const Cursor& cursor, const Window& range,
                                            const std::map<std::string, std::string>& settings, const StopToken& stop);

}  // namespace calve::offload
