// Over a cluster whose answers are written down, server by server.
#include "calve/offload/holding_replicas.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <mutex>

#include "calve/offload/testing_tables.h"
#include "calve/source/cluster_query.h"
#include "calve/source/testing_fake_source.h"

namespace calve::offload {
namespace {

using source::ShardServers;
using source::TextRows;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class FakeCluster : public source::TestingFakeSource, public source::Cluster {
 public:
  using AnswerOf = std::function<Result<TextRows>(const std::string& server, const std::string& sql)>;
  FakeCluster(ShardServers shards, AnswerOf answer)
      : TestingFakeSource([](const std::string&) -> Result<TextRows> { return TextRows{}; }),
        answer_of_(std::move(answer)) {
    shape_ = std::make_shared<source::ClusterShape>();
    shape_->shards = std::move(shards);
    shape_->replica_wait_ms = 250;
  }
  source::Cluster* cluster() override { return this; }
  Result<std::shared_ptr<const source::ClusterShape>> Shape() override { return shape_; }
  Result<std::shared_ptr<const source::ClusterShape>> Refresh() override { return shape_; }

  Result<std::unique_ptr<source::BlockStream>> Query(const std::string& sql,
                                                     const source::QueryOptions& options) override {
    const std::string server = options.among->at(static_cast<size_t>(options.shard.value())).at(0);
    Result<TextRows> rows = TextRows{};
    {
      std::lock_guard lock(mutex_);
      rows = answer_of_(server, sql);
    }
    ARROW_RETURN_NOT_OK(rows.status());
    source::TestingFakeSource one([&](const std::string&) { return rows; });
    return one.Query(sql, options);
  }

 private:
  const AnswerOf answer_of_;
  std::mutex mutex_;
  std::shared_ptr<source::ClusterShape> shape_;
};

class HoldingReplicasTest : public ::testing::Test {
 protected:
  Result<HoldingReplicas> Find(const ShardServers& shards, const FakeCluster::AnswerOf& answer,
                               const std::string& engine = "ReplicatedMergeTree") {
    source::SourceTable table = MakeSourceTable({{"ts", "DateTime"}, {"n", "UInt64"}, {"made", "Nullable(UInt64)"}});
    table.engine = engine;
    FakeCluster cluster(shards, answer);
    return FindHoldingReplicas(cluster, table, Cursor{"ts", 0, false, false}, Window{0, 7'200'000'000}, {}, stop_);
  }
  static TextRows Replica(int64_t log_max, int64_t pointer, const std::string& path = "/t",
                          const std::string& replicas = "2") {
    return {{"0", "0", std::to_string(log_max), std::to_string(pointer), path, replicas}};
  }
  static Status Gone(const std::string& server) {
    return MakeError(ErrorKind::kRetry, server + ": connection refused", "Is it running?");
  }
  static bool Is(const std::string& sql, const char* table) { return sql.find(table) != std::string::npos; }

  StopToken stop_;
};

TEST_F(HoldingReplicasTest, ThoseThatHaveFetchedAll) {
  const auto found =
      Find({{"a", "b"}, {"c"}}, [](const std::string& server, const std::string& sql) -> Result<TextRows> {
        if (Is(sql, "system.replicas")) return Replica(7, 8, server == "c" ? "/t2" : "/t");
        if (Is(sql, "system.replication_queue") && server == "b") return TextRows{{"queue-0000000005"}};
        return TextRows{};
      }).ValueOrDie();
  EXPECT_EQ(*found.servers, (ShardServers{{"a"}, {"c"}}));
  EXPECT_THAT(found.paths, ElementsAre("/t", "/t2"));
  EXPECT_THAT(found.notes, ElementsAre(HasSubstr("b is not read from: 1 parts")));
}

TEST_F(HoldingReplicasTest, OneThatLagsIsWaitedFor) {
  int asked = 0;
  const auto found = Find({{"a"}}, [&](const std::string&, const std::string& sql) -> Result<TextRows> {
                       if (Is(sql, "system.replicas")) return Replica(7, ++asked < 2 ? 7 : 8);
                       return TextRows{};
                     }).ValueOrDie();
  EXPECT_EQ(*found.servers, (ShardServers{{"a"}}));
  EXPECT_EQ(asked, 2);
}

TEST_F(HoldingReplicasTest, NobodyWhoIsKnownToHaveAllIsAnError) {
  const auto found = Find({{"a", "b"}}, [](const std::string& server, const std::string& sql) -> Result<TextRows> {
    if (server == "b") return Gone(server);
    if (Is(sql, "system.replicas")) return Replica(7, 8);
    return TextRows{{"queue-0000000005"}};
  });
  EXPECT_EQ(KindOf(found.status()), ErrorKind::kRetry);
  EXPECT_THAT(MessageOf(found.status()), HasSubstr("no replica of shard 1 is known to have all rows"));
  EXPECT_THAT(MessageOf(found.status()), HasSubstr("a: 1 parts"));
  EXPECT_THAT(MessageOf(found.status()), HasSubstr("b: connection refused"));
}

TEST_F(HoldingReplicasTest, ATableThatIsNotShownIsNotTakenForWhole) {
  const auto found =
      Find({{"a"}}, [](const std::string&, const std::string&) -> Result<TextRows> { return TextRows{}; });
  EXPECT_THAT(found.status().ToString(), HasSubstr("system.replicas at a does not show"));
  EXPECT_THAT(RemedyOf(found.status()), HasSubstr("Grant"));
}

TEST_F(HoldingReplicasTest, ServersThatAreNoReplicasOfEachOther) {
  const auto in_one_shard =
      Find({{"a", "b"}}, [](const std::string& server, const std::string& sql) -> Result<TextRows> {
        return Is(sql, "system.replicas") ? Replica(7, 8, "/" + server) : TextRows{};
      });
  EXPECT_EQ(KindOf(in_one_shard.status()), ErrorKind::kConfig);
  EXPECT_THAT(MessageOf(in_one_shard.status()), HasSubstr("a and b are in one shard"));
  const auto two_shards = Find({{"a"}, {"b"}}, [](const std::string&, const std::string& sql) -> Result<TextRows> {
    return Is(sql, "system.replicas") ? Replica(7, 8) : TextRows{};
  });
  EXPECT_EQ(KindOf(two_shards.status()), ErrorKind::kConfig) << "the same rows twice";
  EXPECT_THAT(MessageOf(two_shards.status()), HasSubstr("shards 1 and 2 have the same rows"));
  const auto own_zookeepers = Find({{"a"}, {"b"}}, [](const std::string&, const std::string& sql) -> Result<TextRows> {
    return Is(sql, "system.replicas") ? Replica(7, 8, "/t", "1") : TextRows{};
  });
  EXPECT_TRUE(own_zookeepers.ok()) << own_zookeepers.status().ToString();
}

TEST_F(HoldingReplicasTest, OtherTablesAreCompared) {
  std::string asked;
  const auto answer = [&](const std::string& server, const std::string& sql) -> Result<TextRows> {
    if (server == "b") asked = sql;
    if (server == "a") return TextRows{{"0", "10", "77"}};
    return TextRows{{"0", "10", "77"}, {"3600", "1", "18446744073709551615"}};
  };
  const auto found = Find({{"a", "b"}, {"c"}}, answer, "ReplacingMergeTree").ValueOrDie();
  EXPECT_EQ(*found.servers, (ShardServers{{"b"}, {"c"}}));
  EXPECT_THAT(found.notes, ElementsAre(HasSubstr("a is not read from: it lacks 1 rows")));
  EXPECT_THAT(asked, HasSubstr("sum(cityHash64(_t.`ts`, _t.`n`))"));
  EXPECT_THAT(asked, HasSubstr(" FINAL WHERE _t.`ts` >"));
}

TEST_F(HoldingReplicasTest, AndAllHaveToAnswer) {
  const auto found = Find(
      {{"a", "b"}},
      [](const std::string& server, const std::string&) -> Result<TextRows> {
        if (server == "b") return Gone(server);
        return TextRows{{"0", "10", "77"}};
      },
      "MergeTree");
  EXPECT_EQ(KindOf(found.status()), ErrorKind::kRetry);
  EXPECT_THAT(MessageOf(found.status()), HasSubstr("it may have rows that no other has"));
}

TEST_F(HoldingReplicasTest, OneServerHasNobodyToBeComparedWith) {
  source::TestingFakeSource one([](const std::string&) -> Result<TextRows> { return TextRows{}; });
  const source::SourceTable table = MakeSourceTable({{"ts", "DateTime"}});
  const auto found =
      FindHoldingReplicas(one, table, Cursor{"ts", 0, false, false}, Window{0, 1}, {}, stop_).ValueOrDie();
  EXPECT_EQ(found.servers, nullptr);
  EXPECT_THAT(one.asked, ElementsAre());
}

}  // namespace
}  // namespace calve::offload
