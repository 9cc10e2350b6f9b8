#include "calve/offload/alike_replicas.h"

#include <gtest/gtest.h>

namespace calve::offload {
namespace {

constexpr TimestampMicros kAlikeHour = 3600 * kMicrosPerSecond;

TEST(AlikeReplicasTest, TheOnesWithAllRows) {
  const BucketSums whole = {{0, {10, 77}}, {kAlikeHour, {5, 12}}};
  const BucketSums lacking = {{0, {10, 77}}, {kAlikeHour, {4, 11}}};
  const auto result = CompareReplicas({whole, lacking, whole, {}});
  EXPECT_EQ(result.whole, (std::vector<size_t>{0, 2}));
  EXPECT_EQ(result.rows_lacking, (std::vector<int64_t>{0, 1, 0, 15}));
  EXPECT_EQ(result.conflict, "");
}

TEST(AlikeReplicasTest, AsManyRowsButOthers) {
  const auto result = CompareReplicas({{{0, {10, 77}}}, {{0, {10, 78}}}});
  EXPECT_TRUE(result.whole.empty());
  EXPECT_NE(result.conflict.find("1970-01-01T00:00:00"), std::string::npos) << result.conflict;
}

TEST(AlikeReplicasTest, EachLacksWhatTheOtherHas) {
  const auto result = CompareReplicas({{{0, {10, 1}}, {kAlikeHour, {1, 1}}}, {{0, {9, 1}}, {kAlikeHour, {2, 1}}}});
  EXPECT_TRUE(result.whole.empty()) << "the sum of rows is the same";
  EXPECT_NE(result.conflict.find("each of them lacks"), std::string::npos);
}

TEST(AlikeReplicasTest, NoRowsAtAll) {
  EXPECT_EQ(CompareReplicas({{}, {}}).whole.size(), 2U);
  EXPECT_TRUE(CompareReplicas({}).whole.empty());
}

}  // namespace
}  // namespace calve::offload
