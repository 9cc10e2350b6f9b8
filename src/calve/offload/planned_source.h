// What a plan says of the source that its slices are read from, wherever that is done: which servers of a cluster hold
// the rows, and which table it is.
#pragma once

#include <string>

#include "calve/iceberg/json_reader.h"
#include "calve/iceberg/json_writer.h"
#include "calve/source/table_identity.h"

namespace calve::offload {

// "replicas": [["http://ch1:8123", …], …], by shard; empty: one server.
void WriteShardServers(const source::ShardServers& servers, iceberg::JsonWriter& writer);
// kCorrupt with the path of the offending member; empty where there is none.
Result<source::ShardServers> ReadShardServers(const iceberg::JsonNode& root);

// "identity": {"query": …, "answer": …}; not written where there is none.
void WriteIdentity(const source::TableIdentity& identity, iceberg::JsonWriter& writer);
Result<source::TableIdentity> ReadIdentity(const iceberg::JsonNode& root);

// That `source` is what the plan was made of. One server in place of a cluster would answer for all shards with the
// rows of its own; another server may have a table of that name, too. kConfig, with the remedy.
Status CheckPlannedSource(source::Source& source, const std::string& table, const source::ShardServers& replicas,
                          const source::TableIdentity& identity);

}  // namespace calve::offload
