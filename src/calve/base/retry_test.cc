#include "calve/base/retry.h"

#include <gtest/gtest.h>

namespace calve {
namespace {

TEST(RetryPolicy, WaitsGrowToTheCeiling) {
  RetryPolicy policy{.attempts_max = 10, .wait_min_ms = 100, .wait_max_ms = 1000, .total_max_ms = 5000};
  EXPECT_EQ(policy.WaitMs(2, 0.0), 50);
  EXPECT_NEAR(static_cast<double>(policy.WaitMs(2, 0.999999)), 100, 1);
  EXPECT_EQ(policy.WaitMs(3, 0.0), 100);
  EXPECT_EQ(policy.WaitMs(4, 0.0), 200);
  EXPECT_EQ(policy.WaitMs(9, 0.0), 500);
  EXPECT_LE(policy.WaitMs(9, 0.999999), 1000);
}

TEST(RetryPolicy, ManyAttemptsDoNotOverflow) {
  RetryPolicy policy{.attempts_max = 1'000'000, .wait_min_ms = 1, .wait_max_ms = INT64_MAX / 4, .total_max_ms = 1};
  EXPECT_GT(policy.WaitMs(1'000'000, 0.5), 0);
  EXPECT_LE(policy.WaitMs(1'000'000, 0.999999), INT64_MAX / 4);
}

TEST(RetryPolicy, StopsByCountAndByTime) {
  RetryPolicy policy{.attempts_max = 3, .wait_min_ms = 1, .wait_max_ms = 2, .total_max_ms = 100};
  EXPECT_TRUE(policy.MayTry(1, 1'000'000));  // the first try always begins
  EXPECT_TRUE(policy.MayTry(3, 99));
  EXPECT_FALSE(policy.MayTry(3, 100));
  EXPECT_FALSE(policy.MayTry(4, 0));
}

}  // namespace
}  // namespace calve
