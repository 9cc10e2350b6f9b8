// Which servers of a cluster hold a plan's rows, as JSON in that plan. Pure.
#pragma once

#include "calve/iceberg/json_reader.h"
#include "calve/iceberg/json_writer.h"
#include "calve/source/source.h"

namespace calve::offload {

// "replicas": [["http://ch1:8123", …], …], by shard; empty: one server.
void WriteShardServers(const source::ShardServers& servers, iceberg::JsonWriter& writer);
// kCorrupt with the path of the offending member; empty where there is none.
Result<source::ShardServers> ReadShardServers(const iceberg::JsonNode& root);

}  // namespace calve::offload
