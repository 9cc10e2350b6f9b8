#include "calve/source/cluster_servers.h"

#include <fmt/format.h>

#include <map>
#include <set>

namespace calve::source {
namespace {

constexpr const char* kSpellOut =
    "Spell the servers out: --shard 'URL URL' for each shard, `shards` in the configuration.";

std::vector<std::string> Words(const std::string& text) {
  std::vector<std::string> words(1);
  for (const char c : text) {
    const bool between = c == ' ' || c == ',' || c == '\t' || c == '\n';
    if (between && !words.back().empty()) words.emplace_back();
    if (!between) words.back() += c;
  }
  if (words.back().empty()) words.pop_back();
  return words;
}

Status CheckTwice(const ServerUrls& servers, const char* remedy) {
  std::map<std::string, size_t> shard_of;
  for (size_t shard = 0; shard < servers.size(); ++shard) {
    for (const SourceUrl& url : servers[shard]) {
      const auto [found, is_new] = shard_of.emplace(url.Origin(), shard);
      if (is_new) continue;
      return MakeError(ErrorKind::kConfig,
                       fmt::format("the server {} is in the cluster twice (shard {} and shard {}): its rows would be "
                                   "offloaded twice",
                                   url.Origin(), found->second + 1, shard + 1),
                       remedy);
    }
  }
  return Status::OK();
}

}  // namespace

Result<ServerUrls> ServersFromText(const std::vector<std::string>& shards, const SourceUrl& base) {
  ServerUrls servers;
  for (const std::string& shard : shards) {
    std::vector<SourceUrl> replicas;
    for (const std::string& text : Words(shard)) {
      ARROW_ASSIGN_OR_RAISE(SourceUrl url, ParseSourceUrl(text));
      if (url.scheme == SourceScheme::kChdb) {
        return MakeError(ErrorKind::kConfig, "a shard is a server, and no embedded database: " + text,
                         "Use http://host:8123 or https://host:8443.");
      }
      if (url.user == "default") url.user = base.user;
      if (url.database == "default") url.database = base.database;
      if (url.database != base.database) {
        return MakeError(ErrorKind::kConfig,
                         fmt::format("the database of {} is {}, and that of the cluster is {}", url.Origin(),
                                     url.database, base.database),
                         "All servers of a cluster have the table in one database: name it in the source's URL.");
      }
      url.settings.insert(base.settings.begin(), base.settings.end());
      replicas.push_back(std::move(url));
    }
    if (replicas.empty()) {
      return MakeError(ErrorKind::kConfig, fmt::format("shard {} of the cluster has no server", servers.size() + 1),
                       "Name the URLs of its replicas, with spaces between them.");
    }
    servers.push_back(std::move(replicas));
  }
  ARROW_RETURN_NOT_OK(CheckTwice(servers, "Name each server once, in the shard whose rows it has."));
  return servers;
}

Result<ServerUrls> ServersFromRows(const std::string& name, const std::vector<ClusterRow>& rows, const SourceUrl& base,
                                   int http_port) {
  ServerUrls servers;
  std::set<std::string> databases;
  int shard = 0;
  for (const ClusterRow& row : rows) {
    SourceUrl url = base;
    url.host = row.host;
    if (http_port > 0) url.port = http_port;
    if (url.IsLoopback() && !base.IsLoopback()) {
      return MakeError(ErrorKind::kConfig,
                       fmt::format("{} describes a server of the cluster {} as {}, which is this machine when it is "
                                   "called from here",
                                   base.Origin(), name, row.host),
                       kSpellOut);
    }
    if (!row.database.empty()) databases.insert(row.database);
    if (servers.empty() || row.shard != shard) servers.emplace_back();
    shard = row.shard;
    servers.back().push_back(std::move(url));
  }
  if (databases.size() > 1) {
    return MakeError(ErrorKind::kUnsupported,
                     fmt::format("the servers of the cluster {} have their tables in different databases ({}, {}, …)",
                                 name, *databases.begin(), *std::next(databases.begin())),
                     "Offload its shards one by one, each from its server into a table of its own.");
  }
  ARROW_RETURN_NOT_OK(CheckTwice(servers, kSpellOut));
  return servers;
}

ShardServers NamesOf(const ServerUrls& servers) {
  ShardServers names;
  for (const auto& replicas : servers) {
    names.emplace_back();
    for (const SourceUrl& url : replicas) names.back().push_back(url.Origin());
  }
  return names;
}

}  // namespace calve::source
