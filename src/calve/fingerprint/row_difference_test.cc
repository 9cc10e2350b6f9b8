#include "calve/fingerprint/row_difference.h"

#include <gtest/gtest.h>

#include <random>

namespace calve::fingerprint {
namespace {

RowEntry Keyed(uint64_t key, uint64_t row, int64_t bucket = 0) {
  return RowEntry{bucket, RowHash{key, Mix(key)}, RowHash{row, row}, 0};
}
RowEntry Whole(uint64_t row, int64_t bucket = 0) {
  return RowEntry{bucket, RowHash{row, Mix(row)}, RowHash{row, Mix(row)}, 0};
}

std::string Told(const RowDifference& d) {
  return fmt::format("missing {} extra {} changed {} duplicates {} defaulted {}", d.missing, d.extra, d.changed,
                     d.duplicates, d.defaulted);
}
std::string Compare(std::vector<RowEntry> hot, std::vector<RowEntry> cold) {
  bool unique_key = (!hot.empty() && !(hot[0].key == hot[0].row)) || (!cold.empty() && !(cold[0].key == cold[0].row));
  auto buckets = CompareRows(hot, cold, unique_key, 10);
  RowDifference all;
  for (auto& [bucket, difference] : buckets) all.Add(std::move(difference), 10);
  return Told(all);
}

TEST(RowDifference, EqualMultisetsHaveNone) {
  std::vector<RowEntry> hot = {Whole(1), Whole(2), Whole(2), Whole(1, 9)};
  std::vector<RowEntry> cold = {Whole(2), Whole(1, 9), Whole(1), Whole(2)};
  EXPECT_TRUE(CompareRows(hot, cold, false, 1).empty());
}

TEST(RowDifference, WithoutAKeyRowsAreMissingExtraOrDoubled) {
  EXPECT_EQ(Compare({Whole(1), Whole(2)}, {Whole(1)}), "missing 1 extra 0 changed 0 duplicates 0 defaulted 0");
  EXPECT_EQ(Compare({Whole(1)}, {Whole(1), Whole(3)}), "missing 0 extra 1 changed 0 duplicates 0 defaulted 0");
  EXPECT_EQ(Compare({Whole(1)}, {Whole(1), Whole(1), Whole(1)}),
            "missing 0 extra 0 changed 0 duplicates 2 defaulted 0");
  EXPECT_EQ(Compare({Whole(1), Whole(1)}, {Whole(1)}), "missing 1 extra 0 changed 0 duplicates 0 defaulted 0");
  EXPECT_EQ(Compare({Whole(1)}, {Whole(2)}), "missing 1 extra 1 changed 0 duplicates 0 defaulted 0");
  // Hot may have held it twice before it expired.
  EXPECT_EQ(Compare({}, {Whole(2), Whole(2)}), "missing 0 extra 2 changed 0 duplicates 0 defaulted 0");
}

TEST(RowDifference, ByKeyChangesAreSeen) {
  EXPECT_EQ(Compare({Keyed(1, 10)}, {Keyed(1, 11)}), "missing 0 extra 0 changed 1 duplicates 0 defaulted 0");
  EXPECT_EQ(Compare({Keyed(1, 10)}, {Keyed(1, 10), Keyed(1, 10)}),
            "missing 0 extra 0 changed 0 duplicates 1 defaulted 0");
  EXPECT_EQ(Compare({Keyed(1, 10)}, {Keyed(1, 10), Keyed(1, 11)}),
            "missing 0 extra 0 changed 0 duplicates 1 defaulted 0");
  EXPECT_EQ(Compare({Keyed(1, 10)}, {Keyed(1, 11), Keyed(1, 11)}),
            "missing 0 extra 0 changed 1 duplicates 1 defaulted 0");
  EXPECT_EQ(Compare({}, {Keyed(1, 11), Keyed(1, 11)}), "missing 0 extra 1 changed 0 duplicates 1 defaulted 0");
  EXPECT_EQ(Compare({Keyed(1, 10), Keyed(2, 20)}, {Keyed(1, 20), Keyed(2, 10)}),
            "missing 0 extra 0 changed 2 duplicates 0 defaulted 0");
  EXPECT_EQ(Compare({Keyed(1, 10, 0)}, {Keyed(1, 10, 5)}), "missing 1 extra 1 changed 0 duplicates 0 defaulted 0");
}

TEST(RowDifference, ByKeyWhatHotHoldsTwiceCountsOnce) {
  EXPECT_EQ(Compare({Keyed(1, 10), Keyed(1, 10)}, {Keyed(1, 10)}),
            "missing 0 extra 0 changed 0 duplicates 0 defaulted 0");
  EXPECT_EQ(Compare({Keyed(1, 10), Keyed(1, 10)}, {}), "missing 1 extra 0 changed 0 duplicates 0 defaulted 0");
}

TEST(RowDifference, FindingsTellWhetherHotHasOneRowOfTheKey) {
  std::vector<RowEntry> hot = {Keyed(1, 10), Keyed(2, 20), Keyed(2, 21)};
  std::vector<RowEntry> cold = {Keyed(1, 11), Keyed(2, 22), Keyed(3, 30)};
  auto found = CompareRows(hot, cold, true, 10);
  std::map<uint64_t, int> hot_rows;
  for (const Finding& finding : found.at(0).findings) hot_rows[finding.key.high] = finding.hot_rows;
  EXPECT_EQ(hot_rows, (std::map<uint64_t, int>{{1, 1}, {2, 2}, {3, 0}}));
}

TEST(RowDifference, LateColumnsThatAreNullInColdAreToldApart) {
  auto with_core = [](RowEntry entry, uint64_t core) {
    entry.core = core;
    return entry;
  };
  EXPECT_EQ(Compare({with_core(Keyed(1, 10), 7)}, {with_core(Keyed(1, 11), 7)}),
            "missing 0 extra 0 changed 0 duplicates 0 defaulted 1");
  EXPECT_EQ(Compare({with_core(Keyed(1, 10), 7)}, {with_core(Keyed(1, 11), 8)}),
            "missing 0 extra 0 changed 1 duplicates 0 defaulted 0");
  EXPECT_EQ(Compare({with_core(Keyed(1, 10), 7)}, {with_core(Keyed(1, 11), 0)}),
            "missing 0 extra 0 changed 1 duplicates 0 defaulted 0");
}

TEST(RowDifference, FindingsAreBoundedCountsAreNot) {
  std::vector<RowEntry> hot, cold;
  for (uint64_t i = 1; i <= 100; ++i) {
    hot.push_back(Keyed(i, i));
    cold.push_back(i % 2 ? Keyed(i, i + 1000) : Keyed(i + 5000, i));
  }
  auto difference = CompareRows(hot, cold, true, 3).at(0);
  EXPECT_EQ(Told(difference), "missing 50 extra 50 changed 50 duplicates 0 defaulted 0");
  EXPECT_EQ(difference.findings.size(), 9u);
}

TEST(RowDifference, TheFirstFindingsAreTheSameInAnyNumberOfPasses) {
  std::vector<RowEntry> hot, cold;
  for (uint64_t i = 1; i <= 200; ++i) {
    hot.push_back(Keyed(i, i));
    if (i % 3) cold.push_back(Keyed(i, i + 1000));
  }
  const auto found = [&](uint64_t passes) {
    RowDifference all;
    for (uint64_t pass = 0; pass < passes; ++pass) {
      std::vector<RowEntry> h, c;
      for (const auto& e : hot) {
        if (InPass(e.key, pass, passes)) h.push_back(e);
      }
      for (const auto& e : cold) {
        if (InPass(e.key, pass, passes)) c.push_back(e);
      }
      for (auto& [bucket, difference] : CompareRows(h, c, true, 4)) all.Add(std::move(difference), 4);
    }
    std::vector<std::pair<uint64_t, FindingKind>> keys;
    for (const Finding& finding : all.findings) keys.emplace_back(finding.key.high, finding.kind);
    return keys;
  };
  const auto one = found(1);
  EXPECT_EQ(one.size(), 8u);
  EXPECT_EQ(found(2), one);
  EXPECT_EQ(found(7), one);
}

// Whatever the passes, their sum is what one pass tells; checked against a count by hand.
TEST(RowDifference, PassesAddUp) {
  std::mt19937_64 random(42);
  for (int round = 0; round < 50; ++round) {
    std::vector<RowEntry> hot, cold;
    for (int i = 0; i < 300; ++i) {
      uint64_t row = 1 + random() % 100;
      if (random() % 10) hot.push_back(Whole(row, static_cast<int64_t>(row % 3)));
      if (random() % 10) cold.push_back(Whole(row, static_cast<int64_t>(row % 3)));
    }
    std::map<uint64_t, int64_t> balance, in_hot;
    for (const auto& e : hot) ++balance[e.row.high], ++in_hot[e.row.high];
    for (const auto& e : cold) --balance[e.row.high];
    RowDifference expected;
    for (auto [row, count] : balance) {
      if (count > 0) expected.missing += count;
      if (count < 0) (in_hot[row] > 0 ? expected.duplicates : expected.extra) -= count;
    }
    EXPECT_EQ(Compare(hot, cold), Told(expected)) << "round " << round;
    for (uint64_t passes : {2, 3, 7}) {
      RowDifference sum;
      for (uint64_t pass = 0; pass < passes; ++pass) {
        auto part = [&](const std::vector<RowEntry>& rows) {
          std::vector<RowEntry> out;
          std::copy_if(rows.begin(), rows.end(), std::back_inserter(out),
                       [&](const RowEntry& e) { return InPass(e.key, pass, passes); });
          return out;
        };
        auto h = part(hot), c = part(cold);
        for (auto& [bucket, difference] : CompareRows(h, c, false, 5)) sum.Add(RowDifference(difference), 5);
      }
      EXPECT_EQ(Told(sum), Told(expected)) << "round " << round << " passes " << passes;
    }
  }
}

TEST(RowDifference, DuplicatesAcrossBucketsAreFound) {
  std::vector<RowEntry> rows = {Keyed(1, 10, 0), Keyed(1, 11, 5), Keyed(2, 20, 5), Keyed(1, 10, 9)};
  auto found = FindDuplicates(rows, 10);
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found.at(5).duplicates, 1);
  EXPECT_EQ(found.at(9).duplicates, 1);
}

}  // namespace
}  // namespace calve::fingerprint
