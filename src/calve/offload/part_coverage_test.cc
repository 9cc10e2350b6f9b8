#include "calve/offload/part_coverage.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <set>

namespace calve::offload {
namespace {

TEST(PartCoverage, ANewInsertIsNewUntilItWasSeen) {
  PartCoverage coverage;
  EXPECT_TRUE(coverage.IsNew({"a", 1, 1}));
  coverage.Add({"a", 1, 1});
  EXPECT_FALSE(coverage.IsNew({"a", 1, 1}));
  EXPECT_TRUE(coverage.IsNew({"a", 2, 2}));
  EXPECT_TRUE(coverage.IsNew({"a", 1, 2})) << "merged with one that was not seen";
}

TEST(PartCoverage, AMergeOfSeenPartsIsNotNew) {
  PartCoverage coverage;
  for (int64_t block : {1, 3, 2, 7, 5, 6}) coverage.Add({"a", block, block});
  EXPECT_FALSE(coverage.IsNew({"a", 1, 3}));
  EXPECT_FALSE(coverage.IsNew({"a", 5, 7}));
  EXPECT_TRUE(coverage.IsNew({"a", 3, 5})) << "block 4 was never seen: its insert may have been under way";
  coverage.Add({"a", 1, 7});
  EXPECT_FALSE(coverage.IsNew({"a", 3, 5}));
}

TEST(PartCoverage, BlocksOfOtherPartitionsCountWhereTheTableNumbersThemAll) {
  PartCoverage whole(false), replicated(true);
  for (PartCoverage* coverage : {&whole, &replicated}) {
    coverage->Add({"a", 1, 1});
    coverage->Add({"b", 2, 2});
    coverage->Add({"a", 3, 3});
  }
  EXPECT_FALSE(whole.IsNew({"a", 1, 3}));
  EXPECT_TRUE(replicated.IsNew({"a", 1, 3}));
  EXPECT_TRUE(replicated.IsNew({"c", 1, 1}));
  EXPECT_TRUE(PartCoverage::NumbersByPartition("ReplicatedReplacingMergeTree"));
  EXPECT_FALSE(PartCoverage::NumbersByPartition("ReplacingMergeTree"));
}

// Against the plainest model: a set of numbers.
TEST(PartCoverage, IsAUnionOfRangesInAnyOrder) {
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    PartCoverage coverage;
    std::set<int64_t> seen;
    for (int i = 0; i < 12; ++i) {
      const int64_t min = static_cast<int64_t>(random() % 40), max = min + static_cast<int64_t>(random() % 5);
      coverage.Add({"p", min, max});
      for (int64_t block = min; block <= max; ++block) seen.insert(block);
    }
    for (int64_t min = 0; min < 45; ++min) {
      for (int64_t max = min; max < 45; ++max) {
        bool all = true;
        for (int64_t block = min; block <= max; ++block) all = all && seen.contains(block);
        ASSERT_EQ(coverage.IsNew({"p", min, max}), !all) << min << "-" << max << " of " << coverage.ToJson();
      }
    }
    EXPECT_EQ(PartCoverage::FromJson(coverage.ToJson()).ValueOrDie(), coverage);
  }
}

TEST(PartCoverage, DamagedJournalsAreToldAsSuch) {
  for (const char* json :
       {"", "[]", "{}", R"({"by_partition":1,"ranges":{}})", R"({"by_partition":true,"ranges":[]})",
        R"({"by_partition":true,"ranges":{"a":[1]}})", R"({"by_partition":true,"ranges":{"a":[[2,1]]}})",
        R"({"by_partition":true,"ranges":{"a":[["1",1]]}})"}) {
    EXPECT_EQ(KindOf(PartCoverage::FromJson(json).status()), ErrorKind::kCorrupt) << json;
  }
}

TEST(PartCoverage, ThePredicateNamesRangesAndPartitions) {
  PartCoverage coverage(true);
  EXPECT_EQ(coverage.NewRowsPredicate(), "1");
  coverage.Add({"2024'08", 1, 4});
  EXPECT_THAT(coverage.NewRowsPredicate(), ::testing::HasSubstr(R"(_partition_id = '2024\'08')"));
  coverage.Add({"202409", 7, 7});
  coverage.Add({"202409", 9, 12});
  const std::string predicate = coverage.NewRowsPredicate();
  EXPECT_THAT(predicate, ::testing::HasSubstr("AS _calve_first) >= 1 AND (toInt64("));
  EXPECT_THAT(predicate, ::testing::HasSubstr("AS _calve_last) <= 4"));
  EXPECT_THAT(predicate, ::testing::HasSubstr("_partition_id = '202409' AND (_calve_first >= 7 AND _calve_last <= 7 OR "
                                              "_calve_first >= 9 AND _calve_last <= 12)"));
  EXPECT_THAT(predicate, ::testing::Not(::testing::HasSubstr("->")));
}

}  // namespace
}  // namespace calve::offload
