#include "calve/schedule/table_graph.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

namespace calve::schedule {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::vector<std::string> Names(const TableGraph& graph, const std::vector<size_t>& tables) {
  std::vector<std::string> names;
  for (size_t table : tables) names.push_back(graph.name(table));
  return names;
}

TableGraph Platform() {
  return TableGraph::Make({{"gold_1m", {"silver"}},
                           {"binance", {}},
                           {"kraken", {}},
                           {"silver", {"kraken", "binance", "kraken"}},
                           {"gold_5m", {"silver"}}})
      .ValueOrDie();
}

TEST(TableGraph, OrdersByDependencyThenAsGiven) {
  TableGraph graph = Platform();
  EXPECT_THAT(Names(graph, graph.order()), ElementsAre("binance", "kraken", "silver", "gold_1m", "gold_5m"));
  EXPECT_THAT(graph.parents(3), ElementsAre(1, 2));
  EXPECT_THAT(graph.children(3), ElementsAre(0, 4));
  EXPECT_EQ(graph.Find("kraken"), 2u);
  EXPECT_EQ(graph.Find("krake"), std::nullopt);
}

TEST(TableGraph, Dependents) {
  TableGraph graph = Platform();
  EXPECT_THAT(Names(graph, graph.Dependents(2)), ElementsAre("silver", "gold_1m", "gold_5m"));
  EXPECT_THAT(graph.Dependents(0), IsEmpty());
}

TEST(TableGraph, RestrictKeepsWaysThroughWhatIsLeftOut) {
  TableGraph graph = Platform().Restrict({4, 1, 0, 1});
  EXPECT_THAT(Names(graph, {0, 1, 2}), ElementsAre("gold_1m", "binance", "gold_5m"));
  EXPECT_THAT(graph.parents(0), ElementsAre(1));
  EXPECT_THAT(graph.parents(2), ElementsAre(1));
  EXPECT_THAT(Names(graph, graph.order()), ElementsAre("binance", "gold_1m", "gold_5m"));
  EXPECT_EQ(Platform().Restrict({}).size(), 0u);
}

TEST(TableGraph, ErrorsNameTheTables) {
  Status twice = TableGraph::Make({{"a", {}}, {"a", {}}}).status();
  EXPECT_EQ(KindOf(twice), ErrorKind::kConfig);
  EXPECT_THAT(MessageOf(twice), HasSubstr("'a'"));
  EXPECT_THAT(MessageOf(TableGraph::Make({{"a", {"b"}}}).status()),
              HasSubstr("table 'a': after: there is no table 'b'"));
  EXPECT_THAT(MessageOf(TableGraph::Make({{"a", {"a"}}}).status()), HasSubstr(": a after a"));
  // The way into the cycle is no part of it.
  Status cycle = TableGraph::Make({{"x", {"a"}}, {"a", {"b", "y"}}, {"b", {"c"}}, {"c", {"a"}}, {"y", {}}}).status();
  EXPECT_EQ(KindOf(cycle), ErrorKind::kConfig);
  EXPECT_EQ(MessageOf(cycle), "tables wait for each other: a after b after c after a");
}

TEST(TableGraph, LongChainsAndRandomGraphs) {
  std::vector<TableNode> chain;
  for (int i = 0; i < 2000; ++i) {
    chain.push_back({std::to_string(i), i == 1999 ? std::vector<std::string>{} : std::vector{std::to_string(i + 1)}});
  }
  TableGraph graph = TableGraph::Make(chain).ValueOrDie();
  EXPECT_EQ(graph.order().front(), 1999u);
  EXPECT_EQ(graph.Dependents(1999).size(), 1999u);

  std::mt19937 random(11);
  int cycles = 0;
  for (int round = 0; round < 500; ++round) {
    size_t n = 2 + random() % 8;
    std::vector<TableNode> nodes(n);
    for (size_t i = 0; i < n; ++i) {
      nodes[i].name = std::string(1, static_cast<char>('a' + i));
      for (size_t j = 0; j < n; ++j) {
        if (random() % (2 * n) == 0) nodes[i].after.push_back(std::string(1, static_cast<char>('a' + j)));
      }
    }
    Result<TableGraph> made = TableGraph::Make(nodes);
    if (!made.ok()) {
      // Each step of the cycle that is named stands in the configuration.
      ++cycles;
      std::string way = MessageOf(made.status()).substr(std::string("tables wait for each other: ").size());
      ASSERT_EQ(way.front(), way.back());
      for (size_t at = 0; at + 8 < way.size(); at += 8) {  // "a after b after …"
        EXPECT_THAT(nodes[static_cast<size_t>(way[at] - 'a')].after, testing::Contains(std::string(1, way[at + 8])));
      }
      continue;
    }
    ASSERT_EQ(made->order().size(), n);
    std::vector<size_t> place(n);
    for (size_t i = 0; i < n; ++i) place[made->order()[i]] = i;
    for (size_t i = 0; i < n; ++i) {
      for (size_t parent : made->parents(i)) EXPECT_LT(place[parent], place[i]);
    }
  }
  EXPECT_GT(cycles, 20);
  EXPECT_LT(cycles, 480);
}

}  // namespace
}  // namespace calve::schedule
