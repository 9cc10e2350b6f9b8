#include "calve/offload/verify_cut.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace calve::offload {
namespace {

constexpr int64_t kCutHour = 3'600 * kMicrosPerSecond;

std::vector<RowsBetween> HoursOf(int64_t first, const std::vector<int64_t>& rows) {
  std::vector<RowsBetween> hours;
  for (size_t i = 0; i < rows.size(); ++i) {
    const int64_t start = (first + static_cast<int64_t>(i)) * kCutHour;
    hours.push_back({start, start + kCutHour - 1, rows[i]});
  }
  return hours;
}

TEST(CutVerify, AboutAsManyRowsInEach) {
  const auto slices =
      CutVerify({Window{std::nullopt, 8 * kCutHour - 1}}, HoursOf(0, std::vector<int64_t>(8, 100)), kCutHour, {4});
  ASSERT_EQ(slices.size(), 4u);
  EXPECT_EQ(slices[0].ranges, (std::vector<Window>{{std::nullopt, 2 * kCutHour - 1}}));
  EXPECT_EQ(slices[3].ranges, (std::vector<Window>{{6 * kCutHour - 1, 8 * kCutHour - 1}}));
  for (const VerifyCut& slice : slices) EXPECT_EQ(slice.rows, 200);
}

TEST(CutVerify, ABucketIsNeverInTwo) {
  const auto slices =
      CutVerify({Window{std::nullopt, 3 * kCutHour - 1}}, HoursOf(0, {10, 1'000'000, 10}), kCutHour, {8});
  ASSERT_EQ(slices.size(), 2u);
  EXPECT_EQ(slices[0].ranges[0].to, 2 * kCutHour - 1);
}

TEST(CutVerify, SampledBucketsShareASlice) {
  const std::vector<Window> sampled = {{kCutHour - 1, 2 * kCutHour - 1}, {5 * kCutHour - 1, 6 * kCutHour - 1}};
  const auto slices = CutVerify(sampled, HoursOf(0, std::vector<int64_t>(8, 100)), kCutHour, {0, 1'000});
  ASSERT_EQ(slices.size(), 1u);
  EXPECT_EQ(slices[0].ranges, sampled);
  EXPECT_EQ(slices[0].rows, 200);
}

TEST(CutVerify, ARangeWithoutRowsIsASliceAndNoRangeIsNone) {
  EXPECT_EQ(CutVerify({Window{std::nullopt, 5}}, {}, kCutHour, {4}).size(), 1u);
  EXPECT_TRUE(CutVerify({}, HoursOf(0, {1}), kCutHour, {4}).empty());
}

// Whatever the rows: disjoint, in order, together the ranges, cut where a bucket begins, and none far above its share.
TEST(CutVerify, HoldsForAnything) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 500; ++round) {
    std::vector<RowsBetween> rows;
    for (uint64_t i = random() % 20; i > 0; --i) {
      const auto first = static_cast<int64_t>(random() % 400) * kCutHour / 7 - 100 * kCutHour;
      rows.push_back(
          {first, first + static_cast<int64_t>(random() % 90) * kCutHour / 3, static_cast<int64_t>(random() % 10'000)});
    }
    std::vector<Window> ranges;
    TimestampMicros at = -120 * kCutHour + static_cast<int64_t>(random() % 1000);
    std::optional<TimestampMicros> from;
    if (random() % 2) from = at;
    for (uint64_t i = random() % 4 + 1; i > 0; --i) {
      at += static_cast<int64_t>(random() % 60 + 1) * kCutHour;
      ranges.push_back({from, at});
      // As a sample has them: neighbours never share a bucket.
      at = (at / kCutHour + static_cast<int64_t>(random() % 9) + 2) * kCutHour - 1;
      from = at;
    }
    CutSize size{static_cast<int64_t>(random() % 2 ? random() % 30 + 1 : 0), static_cast<int64_t>(random() % 5000 + 1)};
    const auto slices = CutVerify(ranges, rows, kCutHour, size);
    std::vector<Window> joined;
    for (const VerifyCut& slice : slices) {
      ASSERT_FALSE(slice.ranges.empty());
      for (const Window& window : slice.ranges) {
        ASSERT_FALSE(window.empty());
        const bool goes_on = window.from && !joined.empty() && joined.back().to == *window.from;
        const bool is_range = goes_on && std::find_if(ranges.begin(), ranges.end(), [&](const Window& range) {
                                           return range.from == window.from;
                                         }) != ranges.end();
        if (goes_on && !is_range) {
          ASSERT_EQ(((*window.from + 1) % kCutHour), 0);
          joined.back().to = window.to;
        } else {
          joined.push_back(window);
        }
      }
    }
    ASSERT_EQ(joined, ranges) << round;
    if (size.slices > 0) {
      ASSERT_LE(slices.size(), static_cast<size_t>(size.slices)) << round;
    }
  }
}

}  // namespace
}  // namespace calve::offload
