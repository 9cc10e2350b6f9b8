// Which servers a cluster has, from its description. Pure.
#pragma once

#include <string>
#include <vector>

#include "calve/source/source.h"
#include "calve/source/source_url.h"

namespace calve::source {

// By shard, in the order of the description.
using ServerUrls = std::vector<std::vector<SourceUrl>>;

// From `ClusterOptions::shards`. What a URL leaves out (user, database, settings) is the base URL's. kConfig: no URL, a
// password, an embedded database, a shard without a server, a server that is there twice.
Result<ServerUrls> ServersFromText(const std::vector<std::string>& shards, const SourceUrl& base);

// A row of system.clusters.
struct ClusterRow {
  int shard = 0;               // shard_num
  std::string host, database;  // database: default_database
};
// From system.clusters, ordered by shard and replica. `name` is the cluster's, `http_port` 0: the base URL's.
// kConfig where a host cannot be told from another or reached from here.
Result<ServerUrls> ServersFromRows(const std::string& name, const std::vector<ClusterRow>& rows, const SourceUrl& base,
                                   int http_port);

// Their names.
ShardServers NamesOf(const ServerUrls& servers);

}  // namespace calve::source
