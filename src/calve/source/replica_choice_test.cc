#include "calve/source/replica_choice.h"

#include <gtest/gtest.h>

namespace calve::source {
namespace {

constexpr int64_t kNow = 1'000'000;

TEST(ReplicaChoiceTest, TheOneWithTheFewestQueries) {
  EXPECT_EQ(ChooseServer({{2, 1}, {1, 3}, {1, 2}}, 0, kNow), 2U) << "then the one that was chosen longest ago";
  EXPECT_EQ(ChooseServer({{1, 1}, {0, 9}}, 0, kNow), 1U);
  EXPECT_EQ(ChooseServer({}, 0, kNow), std::nullopt);
}

TEST(ReplicaChoiceTest, OneAfterTheOther) {
  std::vector<ServerLoad> servers(3);
  std::vector<size_t> chosen;
  for (int64_t turn = 1; turn <= 6; ++turn) {
    const auto best = ChooseServer(servers, 0, kNow);
    ASSERT_TRUE(best);
    servers[*best].turn = turn;
    chosen.push_back(*best);
  }
  EXPECT_EQ(chosen, (std::vector<size_t>{0, 1, 2, 0, 1, 2}));
}

TEST(ReplicaChoiceTest, WhatFailedIsPassedOverForAWhile) {
  const ServerLoad failed{0, 1, 1, kNow + 1000}, busy{3, 2};
  EXPECT_EQ(ChooseServer({failed, busy}, 4, kNow), 1U);
  EXPECT_EQ(ChooseServer({failed, busy}, 3, kNow), std::nullopt) << "a busy one is waited for";
  EXPECT_EQ(ChooseServer({failed, busy}, 4, kNow + 1000), 0U) << "its time has passed";
  const ServerLoad failed_before{0, 5, 3, kNow + 10};
  EXPECT_EQ(ChooseServer({failed, failed_before}, 4, kNow), 1U) << "none works: the one that is due first";
}

TEST(ReplicaChoiceTest, NoMoreThanAllowed) {
  EXPECT_EQ(ChooseServer({{4, 1}, {4, 2}}, 4, kNow), std::nullopt);
  EXPECT_EQ(ChooseServer({{4, 1}, {3, 2}}, 4, kNow), 1U);
}

TEST(ReplicaChoiceTest, ForASecondToAMinute) {
  EXPECT_EQ(PassOverMs(1), 1000);
  EXPECT_EQ(PassOverMs(2), 2000);
  EXPECT_EQ(PassOverMs(7), 60'000);
  EXPECT_EQ(PassOverMs(1000), 60'000);
}

}  // namespace
}  // namespace calve::source
