// Invariant: after inserting what is missing, the table holds as many of each row as cold does (or left a changed key
// alone), and a second look finds nothing.
#include "calve/offload/restore_rows.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace calve::offload {
namespace {

using fingerprint::RowEntry;
using fingerprint::RowHash;

RowEntry Entry(int64_t bucket, uint64_t key, uint64_t row) { return RowEntry{bucket, {0, key}, {key, row}, 0}; }
RowEntry Whole(int64_t bucket, uint64_t value) {
  const RowHash row{static_cast<uint64_t>(bucket), value};
  return RowEntry{bucket, row, row, 0};
}

// What the INSERT would take of cold.
std::vector<RowEntry> Taken(MissingRows& found, const std::vector<RowEntry>& cold) {
  std::vector<RowEntry> taken;
  for (const RowEntry& entry : cold) {
    if (found.wanted.Take(entry.row)) taken.push_back(entry);
  }
  return taken;
}

TEST(RestoreRowsTest, WholeRowsAreAMultiset) {
  std::vector<RowEntry> cold = {Whole(0, 1), Whole(0, 1), Whole(0, 1), Whole(0, 2), Whole(3600, 5)};
  std::vector<RowEntry> hot = {Whole(0, 1), Whole(0, 9), Whole(0, 2), Whole(0, 2)};
  MissingRows found = FindMissingRows(hot, cold, RowMatching::kWhole);
  EXPECT_EQ(found.missing, 3);
  EXPECT_EQ(found.changed, 0);
  EXPECT_EQ(found.only_hot, 2);  // 9, and 2 once more than cold has it
  EXPECT_EQ(Taken(found, cold).size(), 3);
}

TEST(RestoreRowsTest, AChangedKeyIsLeftAlone) {
  std::vector<RowEntry> cold = {Entry(0, 1, 10), Entry(0, 2, 20), Entry(0, 3, 30)};
  std::vector<RowEntry> hot = {Entry(0, 1, 11), Entry(0, 2, 20)};
  MissingRows found = FindMissingRows(hot, cold, RowMatching::kKey);
  EXPECT_EQ(found.missing, 1);
  EXPECT_EQ(found.changed, 1);
  const auto taken = Taken(found, cold);
  ASSERT_EQ(taken.size(), 1);
  EXPECT_EQ(taken[0].row, (RowHash{3, 30}));
}

TEST(RestoreRowsTest, RowsOfOneKeyAreCompletedWhereNoneOfThemChanged) {
  std::vector<RowEntry> cold = {Entry(0, 1, 10), Entry(0, 1, 11), Entry(0, 1, 11)};
  std::vector<RowEntry> hot = {Entry(0, 1, 11)};
  EXPECT_EQ(FindMissingRows(hot, cold, RowMatching::kKey).missing, 2);
  MissingRows merged = FindMissingRows(hot, cold, RowMatching::kMerged);
  EXPECT_EQ(merged.missing, 0);
  EXPECT_EQ(merged.changed, 2);
}

TEST(RestoreRowsTest, NothingOnEitherSide) {
  std::vector<RowEntry> none, some = {Whole(0, 1)};
  EXPECT_TRUE(FindMissingRows(some, none, RowMatching::kWhole).wanted.empty());
  EXPECT_EQ(FindMissingRows(none, some, RowMatching::kWhole).missing, 1);
}

TEST(RestoreRowsTest, InsertingWhatIsMissingCompletesWhateverAnInterruptedRunLeft) {
  const auto seed = std::random_device()();
  SCOPED_TRACE(seed);
  std::mt19937 chance(seed);
  for (int round = 0; round < 300; ++round) {
    std::vector<RowEntry> cold;
    for (int i = 0; i < 60; ++i) cold.push_back(Whole(3600 * (chance() % 3), chance() % 12));
    std::vector<RowEntry> hot;
    for (int run = 0; run < 4; ++run) {
      MissingRows found = FindMissingRows(hot, cold, RowMatching::kWhole);
      auto taken = Taken(found, cold);
      EXPECT_EQ(static_cast<int64_t>(taken.size()), found.missing);
      EXPECT_EQ(found.only_hot, 0);
      std::shuffle(taken.begin(), taken.end(), chance);
      if (run < 3) taken.resize(taken.size() - (taken.empty() ? 0 : chance() % taken.size()));  // cut off
      hot.insert(hot.end(), taken.begin(), taken.end());
    }
    EXPECT_EQ(hot.size(), cold.size());
    EXPECT_EQ(FindMissingRows(hot, cold, RowMatching::kWhole).missing, 0);
    std::map<RowHash, int> count;
    for (const RowEntry& entry : cold) ++count[entry.row];
    for (const RowEntry& entry : hot) --count[entry.row];
    for (const auto& [row, left] : count) EXPECT_EQ(left, 0);
  }
}

}  // namespace
}  // namespace calve::offload
