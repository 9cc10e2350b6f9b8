// Over servers that count, fail and die as they are told.
#include "calve/source/cluster_source.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include "calve/http/testing_http_server.h"
#include "calve/source/cluster_query.h"
#include "calve/source/cluster_table.h"
#include "calve/source/shard_source.h"
#include "calve/source/testing_native_bytes.h"
#include "calve/source/testing_read_numbers.h"

namespace calve::source {
namespace {

using Values = std::vector<uint64_t>;

// Answers each query with its block of numbers, and counts what runs at once.
struct CountingServer {
  explicit CountingServer(uint64_t first, uint64_t rows = 2) : first_number(first), row_count(rows) {}

  const uint64_t first_number, row_count;
  std::atomic<int> asked{0}, running{0}, most{0};
  std::atomic<int> fails{0};      // so many answers are cut before their first byte
  std::atomic<bool> dies{false};  // in the middle of each answer
  std::atomic<int> slow_ms{0};
  http::TestingHttpServer http{[this](const http::SeenRequest&, http::HttpAnswer& answer) {
    ++asked;
    most = std::max<int>(most, ++running);
    if (slow_ms > 0) std::this_thread::sleep_for(std::chrono::milliseconds(slow_ms));
    const std::string body = NumberBlock(first_number, row_count);
    --running;
    if (fails > 0) {
      --fails;
      answer.Reset();
    } else if (dies) {
      answer.BeginChunked();
      answer.Chunk(body);
      answer.Chunk(body.substr(0, body.size() / 2));
      answer.Close();
    } else {
      answer.Whole(200, body);
    }
  }};
};

class ClusterSourceTest : public ::testing::Test {
 protected:
  std::unique_ptr<Source> Open(const std::vector<std::vector<CountingServer*>>& shards, int queries_per_server = 4) {
    SourceOptions options = TestingOptions(shards[0][0]->http);
    options.attempts_max = 2;
    options.cluster.queries_per_server = queries_per_server;
    for (const auto& shard : shards) {
      options.cluster.shards.emplace_back();
      for (const CountingServer* server : shard) options.cluster.shards.back() += server->http.url() + " ";
    }
    return OpenSource(options, stop_).ValueOrDie();
  }
  static QueryOptions Every() {
    QueryOptions options;
    options.scope = Scope::kEveryShard;
    return options;
  }
  static QueryOptions At(int shard) {
    QueryOptions options;
    options.shard = shard;
    return options;
  }

  StopToken stop_;
  CountingServer a_{0}, b_{0}, c_{10}, d_{20};
};

TEST_F(ClusterSourceTest, RowsAreThoseOfAllShards) {
  auto cluster = Open({{&a_, &b_}, {&c_}, {&d_}});
  EXPECT_EQ(ReadNumbers(*cluster, "q", Every()).ValueOrDie(), (Values{0, 1, 10, 11, 20, 21}));
  EXPECT_EQ(ReadNumbers(*cluster, "q", At(1)).ValueOrDie(), (Values{10, 11}));
  EXPECT_EQ(a_.asked + b_.asked, 1);
  ShardSource shard(*cluster, 2);
  EXPECT_EQ(ReadNumbers(shard).ValueOrDie(), (Values{20, 21}));
  EXPECT_EQ(shard.cluster(), nullptr);
  ASSERT_NE(cluster->cluster(), nullptr);
  EXPECT_EQ(cluster->cluster()->Shape().ValueOrDie()->shards.size(), 3U);
}

TEST_F(ClusterSourceTest, OneShardsAnswerNeverStandsForAll) {
  auto cluster = Open({{&a_}, {&c_}});
  const auto unsaid = ReadNumbers(*cluster, "SELECT count()", {});
  EXPECT_EQ(KindOf(unsaid.status()), ErrorKind::kUnsupported);
  EXPECT_NE(MessageOf(unsaid.status()).find("SELECT count()"), std::string::npos);
  EXPECT_EQ(a_.asked + c_.asked, 0);
  EXPECT_EQ(KindOf(cluster->Execute("DROP TABLE t", At(0))), ErrorKind::kUnsupported);
  EXPECT_EQ(KindOf(cluster->Insert(
                {}, [] { return nullptr; }, At(0))),
            ErrorKind::kUnsupported);
  EXPECT_EQ(KindOf(ReadNumbers(*cluster, "q", At(2)).status()), ErrorKind::kRetry) << "there is no third shard";
  const auto query = DescribeQuery(*cluster, "q", "SELECT count() FROM t");
  EXPECT_EQ(KindOf(query.status()), ErrorKind::kUnsupported);
  EXPECT_NE(MessageOf(query.status()).find("on each shard by itself"), std::string::npos);
  EXPECT_EQ(a_.asked + c_.asked, 0);
}

TEST_F(ClusterSourceTest, AnotherReplicaIsAskedBeforeTheFirstByte) {
  auto cluster = Open({{&a_, &b_}, {&c_}});
  a_.fails = 1000;
  std::vector<std::string> retried;
  QueryOptions options = Every();
  options.query_id = "q";
  options.on_retry = [&](const std::string& id, int, const Status&) { retried.push_back(id); };
  for (int i = 0; i < 4; ++i) EXPECT_EQ(ReadNumbers(*cluster, "q", options).ValueOrDie(), (Values{0, 1, 10, 11}));
  EXPECT_EQ(a_.asked, 1) << "then it is passed over";
  EXPECT_EQ(b_.asked, 4);
  EXPECT_EQ(retried, std::vector<std::string>{"q-s1"});
}

TEST_F(ClusterSourceTest, AShardWithoutAnAnswerIsNoAnswer) {
  auto cluster = Open({{&a_, &b_}, {&c_}});
  a_.fails = b_.fails = 1000;
  const auto rows = ReadNumbers(*cluster, "q", Every());
  EXPECT_EQ(KindOf(rows.status()), ErrorKind::kRetry);
  for (const CountingServer* server : {&a_, &b_}) {
    EXPECT_NE(MessageOf(rows.status()).find(server->http.url("")), std::string::npos) << rows.status().ToString();
  }
  EXPECT_EQ(a_.asked, 2) << "in two rounds";
  EXPECT_EQ(c_.asked, 0);
  c_.fails = 1000;
  a_.fails = b_.fails = 0;
  EXPECT_EQ(KindOf(ReadNumbers(*cluster, "q", Every()).status()), ErrorKind::kRetry)
      << "also where it is not the first";
}

TEST_F(ClusterSourceTest, WhatBreaksOffIsReadAnewElsewhere) {
  auto cluster = Open({{&a_, &b_}});
  a_.dies = true;
  const auto broken = ReadNumbers(*cluster, "q", At(0));
  EXPECT_EQ(KindOf(broken.status()), ErrorKind::kRetry);
  EXPECT_NE(MessageOf(broken.status()).find(a_.http.url("")), std::string::npos) << broken.status().ToString();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(ReadNumbers(*cluster, "q", At(0)).ValueOrDie(), (Values{0, 1}));
  EXPECT_EQ(a_.asked, 1);
}

TEST_F(ClusterSourceTest, OnlyAmongTheChosen) {
  auto cluster = Open({{&a_, &b_}, {&c_}});
  QueryOptions options = Every();
  options.among = std::make_shared<const ShardServers>(ShardServers{{b_.http.url("")}, {}});
  for (int i = 0; i < 3; ++i) EXPECT_EQ(ReadNumbers(*cluster, "q", options).ValueOrDie().size(), 4U);
  EXPECT_EQ(a_.asked, 0);
  b_.fails = 1000;
  EXPECT_EQ(KindOf(ReadNumbers(*cluster, "q", options).status()), ErrorKind::kRetry);
  EXPECT_EQ(a_.asked, 0) << "it was not chosen, and may lack rows";
  b_.fails = 0;
  ShardSource one(*cluster, 0, a_.http.url(""));
  EXPECT_EQ(one.name(), a_.http.url(""));
  EXPECT_EQ(ReadNumbers(one).ValueOrDie().size(), 2U);
  EXPECT_EQ(a_.asked, 1);
  options.among = std::make_shared<const ShardServers>(ShardServers{{"http://gone:1"}});
  EXPECT_EQ(KindOf(ReadNumbers(*cluster, "q", options).status()), ErrorKind::kRetry);
}

TEST_F(ClusterSourceTest, ReplicasTakeTurnsAndNoServerHasMoreThanItsShare) {
  auto cluster = Open({{&a_, &b_}}, /*queries_per_server=*/2);
  a_.slow_ms = b_.slow_ms = 20;
  std::vector<std::jthread> readers;
  std::atomic<int> good{0};
  for (int i = 0; i < 12; ++i) {
    readers.emplace_back([&] {
      if (ReadNumbers(*cluster, "q", At(0)).ok()) ++good;
    });
  }
  readers.clear();
  EXPECT_EQ(good, 12);
  EXPECT_LE(a_.most, 2);
  EXPECT_LE(b_.most, 2);
  EXPECT_GE(a_.asked, 4);
  EXPECT_GE(b_.asked, 4);
}

TEST_F(ClusterSourceTest, APlaceIsHeldUntilTheStreamHasEnded) {
  auto cluster = Open({{&a_}}, 1);
  auto first = cluster->Query("q", At(0)).ValueOrDie();
  std::atomic<bool> done{false};
  std::jthread second([&] {
    EXPECT_TRUE(ReadNumbers(*cluster, "q", At(0)).ok());
    done = true;
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(120));
  EXPECT_FALSE(done);
  EXPECT_EQ(a_.asked, 1);
  first.reset();  // cancelled
  second.join();
  EXPECT_TRUE(done);
  auto third = cluster->Query("q", At(0)).ValueOrDie();
  std::jthread stopper([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(80));
    stop_.RequestStop();
  });
  EXPECT_EQ(KindOf(cluster->Query("q", At(0)).status()), ErrorKind::kStopped) << "who waits can be stopped";
}

TEST_F(ClusterSourceTest, EachServerByItself) {
  auto cluster = Open({{&a_, &b_}, {&c_}});
  b_.fails = 1000;
  const auto answers = QueryServers(*cluster, "q").ValueOrDie();
  ASSERT_EQ(answers.size(), 2U);
  EXPECT_EQ(answers[0][0].server, a_.http.url(""));
  EXPECT_EQ(answers[0][0].rows.ValueOrDie(), (TextRows{{"0"}, {"1"}}));
  EXPECT_EQ(KindOf(answers[0][1].rows.status()), ErrorKind::kRetry);
  EXPECT_EQ(answers[1][0].rows.ValueOrDie(), (TextRows{{"10"}, {"11"}}));
  EXPECT_EQ(b_.asked, 1) << "once: there are others";
  b_.fails = 0;
  EXPECT_EQ(KindOf(QueryServers(*cluster, "q").ValueOrDie()[0][1].rows.status()), ErrorKind::kRetry);
  EXPECT_EQ(b_.asked, 1) << "nobody waits for it again so soon";
  EXPECT_EQ(QueryShards(*cluster, "q").ValueOrDie().size(), 2U);
  EXPECT_EQ(CountOnShards(*cluster, "q").ValueOrDie(), 10) << "0 of the first, 10 of the second";
  EXPECT_EQ(ShardsOf(*cluster).ValueOrDie(), 2);
}

TEST(TableDifferenceTest, WhatMatters) {
  SourceTable there;
  there.engine = "MergeTree";
  there.sorting_key = "a";
  there.columns.resize(1);
  there.columns[0].name = "a";
  there.columns[0].type = ParseClickHouseType("UInt64").ValueOrDie();
  SourceTable here = there;
  EXPECT_EQ(TableDifference(there, here), "");
  here.total_rows = 5;
  here.columns[0].comment = "x";
  EXPECT_EQ(TableDifference(there, here), "");
  here.columns[0].type = ParseClickHouseType("String").ValueOrDie();
  EXPECT_EQ(TableDifference(there, here), "column a is UInt64 there and String here");
  here = there;
  here.engine = "ReplacingMergeTree";
  EXPECT_EQ(TableDifference(there, here), "the engine is MergeTree there and ReplacingMergeTree here");
  here = there;
  here.columns.push_back(there.columns[0]);
  here.columns[1].name = "b";
  EXPECT_EQ(TableDifference(there, here), "column b is here and not there");
  EXPECT_EQ(TableDifference(here, there), "column b is there and not here");
}

}  // namespace
}  // namespace calve::source
