#include "calve/survey/order_choice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace calve::survey {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

ViewStatement View(const std::string& name, const std::vector<std::string>& reads, const std::string& writes = "") {
  ViewStatement view;
  view.name = {"k2", name};
  view.is_materialised = true;
  for (const std::string& read : reads) view.reads.push_back({"k2", read});
  if (!writes.empty()) view.writes = TableName{"k2", writes};
  return view;
}

TEST(OrderChoice, LayersByName) {
  auto order = ChooseOrder("k2", {"bronze_a", "Silver_b", "gold_c", "golden_d", "e"}, {});
  EXPECT_EQ(order["bronze_a"].layer, "bronze");
  EXPECT_EQ(order["Silver_b"].layer, "silver");
  EXPECT_EQ(order["gold_c"].layer, "gold");
  EXPECT_EQ(order["golden_d"].layer, "");
  EXPECT_EQ(order["e"].layer, "");
  EXPECT_EQ(order["gold_c"].after, std::nullopt) << "what the layer says";
}

TEST(OrderChoice, ViewsMakeLayersAndOrder) {
  auto order = ChooseOrder("k2", {"candles", "raw_a", "raw_b", "trades", "weeks", "lone"},
                           {View("v1", {"raw_a"}, "trades"), View("v2", {"raw_b"}, "trades"),
                            View("v3", {"trades"}, "candles"), View("v4", {"candles"}, "weeks")});
  EXPECT_EQ(order["raw_a"].layer, "bronze");
  EXPECT_EQ(order["trades"].layer, "silver");
  EXPECT_EQ(order["candles"].layer, "gold");
  EXPECT_EQ(order["weeks"].layer, "gold") << "there is none behind gold";
  EXPECT_EQ(order["lone"].layer, "");
  EXPECT_EQ(order["raw_a"].after, std::nullopt);
  EXPECT_THAT(*order["trades"].after, ElementsAre("raw_a", "raw_b"));
  EXPECT_THAT(*order["weeks"].after, ElementsAre("candles"));
  EXPECT_THAT(order["trades"].after_why, HasSubstr("by v1, v2"));
  EXPECT_LT(order["candles"].depth, order["weeks"].depth);
}

TEST(OrderChoice, NamesGoBeforeViews) {
  auto order = ChooseOrder("k2", {"silver_a", "summary"}, {View("v", {"silver_a"}, "summary")});
  EXPECT_EQ(order["silver_a"].layer, "silver");
  EXPECT_EQ(order["summary"].layer, "gold");
}

TEST(OrderChoice, OverViewsAndTablesThatAreNotOffloaded) {
  // a -> queue (Null engine) -> joined with dims -> b; b -> a view with a table of its own -> c
  auto order = ChooseOrder(
      "k2", {"a", "b", "c", "dims"},
      {View("v1", {"a"}, "queue"), View("v2", {"queue", "dims"}, "b"), View("kept", {"b"}), View("v3", {"kept"}, "c")});
  EXPECT_THAT(*order["b"].after, ElementsAre("a", "dims"));
  EXPECT_THAT(*order["c"].after, ElementsAre("b"));
}

TEST(OrderChoice, ViewsOfOtherDatabasesAreNoMatter) {
  ViewStatement view = View("v", {}, "b");
  view.reads.push_back({"other", "a"});
  auto order = ChooseOrder("k2", {"a", "b"}, {view});
  EXPECT_EQ(order["b"].after, std::nullopt) << "other.a is not k2.a";
}

TEST(OrderChoice, NoTwoWaitForEachOther) {
  auto circle =
      ChooseOrder("k2", {"a", "b", "c"},
                  {View("v1", {"a"}, "b"), View("v2", {"b"}, "c"), View("v3", {"c"}, "a"), View("v4", {"a"}, "a")});
  size_t edges = 0;
  for (auto& [name, choice] : circle) edges += choice.after ? choice.after->size() : 0;
  EXPECT_EQ(edges, 2);
  // The layer would have silver_x wait for bronze_y, which a view fills from it.
  auto crossed = ChooseOrder("k2", {"bronze_w", "bronze_y", "silver_x"}, {View("v", {"silver_x"}, "bronze_y")});
  EXPECT_THAT(*crossed["bronze_y"].after, ElementsAre("silver_x"));
  EXPECT_THAT(*crossed["silver_x"].after, ElementsAre("bronze_w"));
  EXPECT_THAT(crossed["silver_x"].after_why, HasSubstr("CHECK THIS"));
}

}  // namespace
}  // namespace calve::survey
