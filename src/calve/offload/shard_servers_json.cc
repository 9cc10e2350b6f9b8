#include "calve/offload/shard_servers_json.h"

namespace calve::offload {

using iceberg::JsonNode;

void WriteShardServers(const source::ShardServers& servers, iceberg::JsonWriter& writer) {
  writer.Key("replicas");
  writer.BeginArray();
  for (const auto& shard : servers) {
    writer.BeginArray();
    for (const std::string& server : shard) writer.String(server);
    writer.EndArray();
  }
  writer.EndArray();
}

Result<source::ShardServers> ReadShardServers(const JsonNode& root) {
  source::ShardServers servers;
  const auto replicas = root.Find("replicas");
  if (!replicas) return servers;
  ARROW_RETURN_NOT_OK(replicas->ForEach([&](const JsonNode& shard) -> Status {
    servers.emplace_back();
    return shard.ForEach([&](const JsonNode& server) -> Status {
      ARROW_ASSIGN_OR_RAISE(servers.back().emplace_back(), server.AsString());
      return Status::OK();
    });
  }));
  return servers;
}

}  // namespace calve::offload
