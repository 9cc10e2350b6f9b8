#include "calve/offload/row_changes.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace calve::offload {
namespace {

using fingerprint::RowEntry;
using fingerprint::RowHash;

RowEntry Keyed(uint64_t key, uint64_t row, TimestampMicros bucket = 0) {
  return RowEntry{bucket, RowHash{key, key}, RowHash{row, row}, 0};
}
RowEntry WholeChange(uint64_t row, TimestampMicros bucket = 0) {
  return RowEntry{bucket, RowHash{row, row}, RowHash{row, row}, 0};
}

struct Outcome {
  std::vector<uint64_t> cold;  // rows, sorted
  LeftAlone left;
  bool changed = false;
};

// What cold holds after the changes, with hot as it is then (`later`, where given).
Outcome Apply(ChangeRules rules, std::vector<RowEntry> hot, std::vector<RowEntry> cold,
              std::optional<std::vector<RowEntry>> later = std::nullopt) {
  Outcome outcome;
  const std::vector<RowEntry> hot_now = later.value_or(hot), cold_now = cold;
  const auto found = fingerprint::CompareRows(hot, cold, rules.unique_key, SIZE_MAX / 2);
  RowChanges changes;
  ChooseChanges(rules, found, cold, changes, outcome.left);
  changes.Seal();
  outcome.changed = !changes.empty();
  std::vector<uint64_t> taken;
  for (const RowEntry& entry : hot_now) {
    if (changes.TakeHot(entry)) taken.push_back(entry.row.low);
  }
  for (const RowEntry& entry : cold_now) {
    const bool may = changes.MayDrop(entry), drops = may && changes.DropCold(entry);
    if (!drops) outcome.cold.push_back(entry.row.low);
  }
  outcome.cold.insert(outcome.cold.end(), taken.begin(), taken.end());
  std::sort(outcome.cold.begin(), outcome.cold.end());
  return outcome;
}

using Rows = std::vector<uint64_t>;
constexpr ChangeRules kAppend{ChangePolicy::kAppendMissing, false, INT64_MIN, false};
constexpr ChangeRules kAppendByKey{ChangePolicy::kAppendMissing, true, INT64_MIN, false};
constexpr ChangeRules kUpsert{ChangePolicy::kUpsert, true, INT64_MIN, false};
constexpr ChangeRules kRepair{ChangePolicy::kRepair, false, INT64_MIN, false};
constexpr ChangeRules kRepairByKey{ChangePolicy::kRepair, true, INT64_MIN, false};

TEST(RowChanges, AppendAddsAsOftenAsHotHasIt) {
  EXPECT_EQ(Apply(kAppend, {WholeChange(1), WholeChange(2), WholeChange(2)}, {WholeChange(2)}).cold, (Rows{1, 2, 2}));
  EXPECT_EQ(Apply(kAppend, {WholeChange(2)}, {WholeChange(2), WholeChange(2)}).cold, (Rows{2, 2}))
      << "nothing is removed";
}

TEST(RowChanges, WithoutAKeyABucketWithOthersIsLeftAlone) {
  const auto outcome = Apply(kAppend, {WholeChange(1), WholeChange(5, 10)}, {WholeChange(3)});
  EXPECT_EQ(outcome.cold, (Rows{3, 5}));
  EXPECT_EQ(outcome.left.ambiguous, (decltype(outcome.left.ambiguous){{0, {1, 1}}}));
  ChangeRules retired = kAppend;
  retired.retired_before = 5;
  EXPECT_EQ(Apply(retired, {WholeChange(1)}, {WholeChange(3)}).cold, (Rows{1, 3}))
      << "hot is known to have let go of others";
}

TEST(RowChanges, AppendByKeyTakesOneRowOfANewKeyOnly) {
  EXPECT_EQ(Apply(kAppendByKey, {Keyed(1, 11), Keyed(2, 20), Keyed(2, 20)}, {Keyed(1, 10)}).cold, (Rows{10, 20}));
}

TEST(RowChanges, UpsertReplacesByKeyAndDeletesNothing) {
  const auto outcome =
      Apply(kUpsert, {Keyed(1, 11), Keyed(2, 20), Keyed(4, 40)}, {Keyed(1, 10), Keyed(2, 20), Keyed(3, 30)});
  EXPECT_EQ(outcome.cold, (Rows{11, 20, 30, 40}));
  EXPECT_EQ(outcome.left.extra, 1);
  EXPECT_EQ(Apply(kUpsert, {Keyed(1, 11)}, {Keyed(1, 10), Keyed(1, 11), Keyed(1, 11)}).cold, (Rows{11}));
  EXPECT_FALSE(Apply(kUpsert, {Keyed(1, 11)}, {Keyed(1, 11)}).changed);
}

TEST(RowChanges, ARowThatWentOrChangedAgainSinceStaysInCold) {
  EXPECT_EQ(Apply(kUpsert, {Keyed(1, 11)}, {Keyed(1, 10)}, {{}}).cold, (Rows{10}));
  EXPECT_EQ(Apply(kUpsert, {Keyed(1, 11)}, {Keyed(1, 10)}, {{Keyed(1, 12)}}).cold, (Rows{12})) << "the newest is taken";
}

TEST(RowChanges, AKeyThatTellsNothingApartChangesNothing) {
  for (const ChangeRules& rules : {kUpsert, kRepairByKey}) {
    const auto outcome = Apply(rules, {Keyed(1, 10), Keyed(1, 11)}, {Keyed(1, 10), Keyed(1, 12)});
    EXPECT_EQ(outcome.cold, (Rows{10, 12}));
    EXPECT_GT(outcome.left.keys_not_unique, 0);
  }
}

TEST(RowChanges, WhatIsRetiredIsNotReplaced) {
  ChangeRules rules = kUpsert;
  rules.retired_before = 5;
  const auto outcome = Apply(rules, {Keyed(1, 11), Keyed(2, 20), Keyed(3, 31, 7)}, {Keyed(1, 10), Keyed(3, 30, 7)});
  EXPECT_EQ(outcome.cold, (Rows{10, 20, 31}));
  EXPECT_EQ(outcome.left.retired, 1);
  rules.replace_retired = true;
  EXPECT_EQ(Apply(rules, {Keyed(1, 11)}, {Keyed(1, 10)}).cold, (Rows{11}));
}

TEST(RowChanges, RepairRemovesWhatIsDoubled) {
  EXPECT_EQ(Apply(kRepair, {WholeChange(1), WholeChange(2)}, {WholeChange(1), WholeChange(1), WholeChange(1)}).cold,
            (Rows{1, 2}));
  EXPECT_EQ(Apply(kRepair, {}, {WholeChange(1), WholeChange(1)}).cold, (Rows{1, 1})) << "hot may have held both";
  EXPECT_EQ(Apply(kRepairByKey, {Keyed(1, 10)}, {Keyed(1, 10), Keyed(1, 11)}).cold, (Rows{10}));
  EXPECT_EQ(Apply(kRepairByKey, {}, {Keyed(1, 10), Keyed(1, 10), Keyed(1, 11)}).cold, (Rows{10, 11}));
}

TEST(RowChanges, DeletedKeysGoAndNothingComes) {
  RowChanges changes;
  changes.Delete(RowHash{1, 1});
  changes.Put(RowHash{2, 2});
  changes.Seal();
  EXPECT_FALSE(changes.TakeHot(Keyed(1, 10)));
  EXPECT_TRUE(changes.DropCold(Keyed(1, 10)));
  EXPECT_FALSE(changes.DropCold(Keyed(2, 20))) << "its new row was not taken";
}

}  // namespace
}  // namespace calve::offload
