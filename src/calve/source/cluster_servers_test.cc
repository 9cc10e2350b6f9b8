#include "calve/source/cluster_servers.h"

#include <gtest/gtest.h>

namespace calve::source {
namespace {

SourceUrl Base(const std::string& url = "http://app@a:8123/k2?max_threads=2") {
  return ParseSourceUrl(url).ValueOrDie();
}

TEST(ClusterServersTest, SpelledOut) {
  const auto servers = ServersFromText({"http://a:8123  http://b:8124", "https://x@c:8443/k2"}, Base()).ValueOrDie();
  EXPECT_EQ(NamesOf(servers), (ShardServers{{"http://a:8123", "http://b:8124"}, {"https://c:8443"}}));
  EXPECT_EQ(servers[0][1].user, "app");
  EXPECT_EQ(servers[0][1].database, "k2");
  EXPECT_EQ(servers[0][1].settings.at("max_threads"), "2");
  EXPECT_EQ(servers[1][0].user, "x");
}

TEST(ClusterServersTest, WhatIsRefused) {
  const auto refused = [](const std::vector<std::string>& shards, const std::string& said) {
    const auto servers = ServersFromText(shards, Base());
    EXPECT_EQ(KindOf(servers.status()), ErrorKind::kConfig);
    EXPECT_NE(servers.status().ToString().find(said), std::string::npos) << servers.status().ToString();
  };
  refused({"http://a", " "}, "shard 2 of the cluster has no server");
  refused({"http://a:8123", "http://b http://a"}, "twice (shard 1 and shard 2)");
  refused({"http://a http://a:8123/k2"}, "twice (shard 1 and shard 1)");
  refused({"chdb:/srv"}, "no embedded database");
  refused({"http://x:secret@a"}, "password");
  refused({"http://a/elsewhere"}, "the database of http://a:8123 is elsewhere");
}

TEST(ClusterServersTest, AsSystemClustersShowsThem) {
  const std::vector<ClusterRow> rows = {{1, "a", ""}, {1, "b", ""}, {2, "c", "k2"}};
  EXPECT_EQ(NamesOf(ServersFromRows("x", rows, Base(), 0).ValueOrDie()),
            (ShardServers{{"http://a:8123", "http://b:8123"}, {"http://c:8123"}}));
  EXPECT_EQ(NamesOf(ServersFromRows("x", rows, Base(), 9123).ValueOrDie())[1][0], "http://c:9123");
  EXPECT_EQ(KindOf(ServersFromRows("x", {{1, "a", "d1"}, {2, "b", "d2"}}, Base(), 0).status()),
            ErrorKind::kUnsupported);
  const auto here = ServersFromRows("x", {{1, "localhost", ""}}, Base(), 0);
  EXPECT_NE(here.status().ToString().find("is this machine when it is called from here"), std::string::npos);
  EXPECT_TRUE(ServersFromRows("x", {{1, "127.0.0.2", ""}}, Base("http://127.0.0.1:8123"), 0).ok());
  const auto twice = ServersFromRows("x", {{1, "a", ""}, {2, "a", ""}}, Base(), 0);
  EXPECT_NE(RemedyOf(twice.status()).find("Spell the servers out"), std::string::npos);
}

}  // namespace
}  // namespace calve::source
