#include "calve/offload/verify_plan.h"

#include <gtest/gtest.h>

#include "calve/offload/verify_rows.h"

namespace calve::offload {
namespace {

constexpr int64_t kVerifyHour = 3'600 * kMicrosPerSecond;

TEST(SampleBuckets, AllOfThemAreOneWindow) {
  auto windows = SampleBuckets(5, 10 * kVerifyHour + 7, kVerifyHour, 1.0, 0);
  ASSERT_EQ(windows.size(), 1u);
  EXPECT_EQ(windows[0], (Window{4, 10 * kVerifyHour + 7}));
}

TEST(SampleBuckets, TakesAboutTheShareAndAlwaysTheSame) {
  const int64_t begin = -50'000 * kVerifyHour, up_to = 50'000 * kVerifyHour - 1;
  auto hours = [](const std::vector<Window>& windows) {
    int64_t sum = 0;
    for (const Window& window : windows) {
      EXPECT_EQ((*window.from + 1) % kVerifyHour, 0);
      EXPECT_EQ((window.to + 1) % kVerifyHour, 0);
      sum += (window.to - *window.from) / kVerifyHour;
    }
    return sum;
  };
  auto tenth = SampleBuckets(begin, up_to, kVerifyHour, 0.1, 3);
  EXPECT_NEAR(static_cast<double>(hours(tenth)), 10'000, 500);
  EXPECT_EQ(tenth, SampleBuckets(begin, up_to, kVerifyHour, 0.1, 3));
  EXPECT_NE(tenth, SampleBuckets(begin, up_to, kVerifyHour, 0.1, 4));
  // A bucket is in the sample or not, whatever range is asked for.
  auto later = SampleBuckets(0, up_to, kVerifyHour, 0.1, 3);
  EXPECT_EQ(later.back(), tenth.back());
}

TEST(PlainSortingKey, TakesColumnsOnly) {
  EXPECT_EQ(PlainSortingKey("exchange, `a symbol`, ts"), (std::vector<std::string>{}));
  EXPECT_EQ(PlainSortingKey("exchange, `symbol`, ts"), (std::vector<std::string>{"exchange", "symbol", "ts"}));
  EXPECT_TRUE(PlainSortingKey("exchange, toDate(ts)").empty());
  EXPECT_TRUE(PlainSortingKey("a % 7").empty());
  EXPECT_TRUE(PlainSortingKey("").empty());
}

TEST(HasTtl, LooksBehindTheColumns) {
  EXPECT_TRUE(
      HasTtl("CREATE TABLE t\n(\n    `a` Int32\n)\nENGINE = MergeTree\nORDER BY a\nTTL ts + toIntervalDay(7)\nSETTINGS "
             "x = 1"));
  EXPECT_TRUE(HasTtl("CREATE TABLE t (a Int32) ENGINE = MergeTree ORDER BY a TTL ts + toIntervalDay(7)"));
  EXPECT_FALSE(HasTtl("CREATE TABLE t (a Int32, b String TTL ts + toIntervalDay(7)) ENGINE = MergeTree ORDER BY a"));
  EXPECT_FALSE(HasTtl(""));
}

TEST(GroupBuckets, JoinsNeighboursWhileTheirRowsFit) {
  std::map<TimestampMicros, BucketRows> different = {{0, {10, 10}},
                                                     {kVerifyHour, {10, 0}},
                                                     {2 * kVerifyHour, {40, 40}},
                                                     {5 * kVerifyHour, {0, 1}},
                                                     {6 * kVerifyHour, {500, 500}}};
  auto groups = GroupBuckets(different, kVerifyHour, Window{kVerifyHour / 2, 7 * kVerifyHour - 9}, 100);
  ASSERT_EQ(groups.size(), 4u);
  EXPECT_EQ(groups[0].window, (Window{kVerifyHour / 2, 2 * kVerifyHour - 1}));  // cut to the range
  EXPECT_EQ(groups[0].buckets, (std::set<TimestampMicros>{0, kVerifyHour}));
  EXPECT_EQ(groups[1].window, (Window{2 * kVerifyHour - 1, 3 * kVerifyHour - 1}));
  EXPECT_EQ(groups[1].passes, 1u);
  EXPECT_EQ(groups[2].buckets, (std::set<TimestampMicros>{5 * kVerifyHour}));
  EXPECT_EQ(groups[3].passes, 10u);
  EXPECT_EQ(groups[3].window, (Window{6 * kVerifyHour - 1, 7 * kVerifyHour - 9}));
}

TEST(GroupBuckets, NoMoreThanAreLookedAtInFull) {
  std::map<TimestampMicros, BucketRows> different;
  for (int64_t i = 0; i < 5; ++i) different[i * kVerifyHour] = {1, 1};
  const auto groups = GroupBuckets(different, kVerifyHour, Window{std::nullopt, 5 * kVerifyHour - 1}, 100, 2);
  ASSERT_EQ(groups.size(), 3u);
  EXPECT_EQ(groups[1].window, (Window{2 * kVerifyHour - 1, 4 * kVerifyHour - 1}));
  EXPECT_EQ(groups[2].buckets.size(), 1u);
}

}  // namespace
}  // namespace calve::offload
