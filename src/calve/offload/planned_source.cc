#include "calve/offload/planned_source.h"

#include <fmt/format.h>

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

void WriteIdentity(const source::TableIdentity& identity, iceberg::JsonWriter& writer) {
  if (identity.query.empty()) return;
  writer.Key("identity");
  writer.BeginObject();
  writer.Field("query", identity.query);
  writer.Field("answer", identity.answer);
  writer.EndObject();
}

Result<source::TableIdentity> ReadIdentity(const JsonNode& root) {
  source::TableIdentity identity;
  const auto member = root.Find("identity");
  if (!member) return identity;
  ARROW_ASSIGN_OR_RAISE(identity.query, member->GetString("query"));
  ARROW_ASSIGN_OR_RAISE(identity.answer, member->GetString("answer"));
  return identity;
}

Status CheckPlannedSource(source::Source& source, const std::string& table, const source::ShardServers& replicas,
                          const source::TableIdentity& identity) {
  const bool of_cluster = !replicas.empty();
  if (of_cluster == (source.cluster() != nullptr)) return source::CheckIdentity(source, identity, table);
  return MakeError(
      ErrorKind::kConfig,
      of_cluster ? fmt::format("the plan is of {} on the {} shards of a cluster, and the source is one server, {}",
                               table, replicas.size(), source.name())
                 : fmt::format("the plan is of {} on one server, and the source is {}", table, source.name()),
      "Give the source that the plan was made of: --source with its --cluster or --shard, or --config.");
}

}  // namespace calve::offload
