#include "calve/serve/findings_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace calve::serve {
namespace {

TEST(FindingsMetrics, SumsWhatVerifyFound) {
  offload::VerifyResult result;
  result.differences.resize(2);
  offload::BucketResult& gone = result.differences[0];
  gone.missing = 3, gone.extra = 5, gone.changed = 2, gone.duplicates = 1, gone.extra_allowed = true;
  offload::BucketResult& lost = result.differences[1];
  lost.missing = 4, lost.extra = 6, lost.duplicates = 10;
  MetricSet set(VerifyDescriptions());
  AddVerified(set, "a", result, 7 * kMicrosPerSecond);
  const Labels a = {{"table", "a"}};
  EXPECT_EQ(set.Get("offload_missing_rows", a), 7);
  EXPECT_EQ(set.Get("offload_duplicates", a), 11);
  EXPECT_EQ(set.Get("offload_changed_rows", a), 2);
  EXPECT_EQ(set.Get("offload_extra_rows", a), 6) << "what hot may have let go is no finding";
  EXPECT_EQ(set.Get("offload_verify_timestamp_seconds", a), 7);
  AddVerified(set, "a", offload::VerifyResult(), 8 * kMicrosPerSecond);
  EXPECT_EQ(set.Get("offload_missing_rows", a), 0) << "it was mended";
}

TEST(FindingsMetrics, ToldWhatBlocksRetirement) {
  MetricSet set(RetireDescriptions());
  const Labels a = {{"table", "a"}};
  offload::RetireResult result;
  result.dropped.resize(2);
  result.dropped[0].rows = 10;
  AddRetired(set, "a", result, 0);
  AddRetired(set, "a", result, 0);
  EXPECT_EQ(set.Get("offload_retirement_blocked", a), 0);
  EXPECT_EQ(set.Get("offload_retired_parts_total", a), 4);
  EXPECT_EQ(set.Get("offload_retired_rows_total", a), 20);
  result.differences.emplace_back();
  AddRetired(set, "a", result, 0);
  EXPECT_EQ(set.Get("offload_retirement_blocked", a), 1);
  AddRetired(set, "a", offload::RetireResult(), 0);
  EXPECT_EQ(set.Get("offload_retirement_blocked", a), 0);
  AddRetired(set, "a", MakeError(ErrorKind::kConfig, "a mutation is not done"), 0);
  EXPECT_EQ(set.Get("offload_retirement_blocked", a), 1);
  EXPECT_EQ(set.Get("offload_retired_parts_total", a), 6) << "counters only grow";
  offload::RetireResult held;
  held.held_by.emplace();
  AddRetired(set, "b", held, 0);
  EXPECT_FALSE(set.Has("offload_retirement_blocked", {{"table", "b"}}));
}

}  // namespace
}  // namespace calve::serve
