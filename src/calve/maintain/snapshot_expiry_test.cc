#include "calve/maintain/snapshot_expiry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "calve/base/time.h"
#include "calve/maintain/testing_history.h"

namespace calve::maintain {
namespace {

using iceberg::TableMetadata;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr int64_t kHour = RandomHistory::kHourMs;

// Main with snapshots 1 … count, an hour apart; the newest is from `count` o'clock.
TableMetadata Hourly(int count) {
  TableMetadata metadata = iceberg::MetadataWithSnapshots(count);
  metadata.properties.clear();
  for (size_t i = 0; i < metadata.snapshots.size(); ++i) {
    iceberg::Snapshot& snapshot = metadata.snapshots.Edit(i);
    snapshot.timestamp_ms = static_cast<int64_t>(i + 1) * kHour;
    snapshot.summary = {{"operation", "append"}};
  }
  return metadata;
}

std::set<int64_t> Expired(const TableMetadata& metadata, const ExpiryRule& rule) {
  return PlanExpiry(metadata, rule).ValueOrDie().expired;
}

TEST(PlanExpiry, ByAgeAndByCount) {
  const TableMetadata metadata = Hourly(6);
  EXPECT_THAT(Expired(metadata, {10 * kHour, 6 * kHour}), ElementsAre(1, 2, 3)) << "4 is six hours old, and may be";
  EXPECT_THAT(Expired(metadata, {10 * kHour, 0}), ElementsAre(1, 2, 3, 4, 5)) << "main's own stays";
  EXPECT_THAT(Expired(metadata, {10 * kHour, 0, 4}), ElementsAre(1, 2));
  EXPECT_THAT(Expired(metadata, {10 * kHour, 20 * kHour, 1}), IsEmpty());
  EXPECT_THAT(Expired(metadata, {6 * kHour + 5 * 24 * kHour}), ElementsAre(1, 2, 3, 4, 5)) << "five days by themselves";
  EXPECT_THAT(Expired(metadata, {1 * kHour + 5 * 24 * kHour}), IsEmpty());
}

TEST(PlanExpiry, ByTheTablesProperties) {
  TableMetadata metadata = Hourly(6);
  metadata.properties = {{"history.expire.max-snapshot-age-ms", std::to_string(5 * kHour)},
                         {"history.expire.min-snapshots-to-keep", "3"}};
  EXPECT_THAT(Expired(metadata, {100 * kHour}), ElementsAre(1, 2, 3));
  EXPECT_THAT(Expired(metadata, {7 * kHour}), ElementsAre(1));
  EXPECT_THAT(Expired(metadata, {100 * kHour, 95 * kHour, 1}), ElementsAre(1, 2, 3, 4)) << "what is asked for is first";
  metadata.refs["main"].min_snapshots_to_keep = 5;
  EXPECT_THAT(Expired(metadata, {100 * kHour, 0, 1}), ElementsAre(1)) << "what main says is before that";
  metadata.properties["history.expire.min-snapshots-to-keep"] = "many";
  EXPECT_EQ(KindOf(PlanExpiry(metadata, {}).status()), ErrorKind::kConfig);
}

TEST(PlanExpiry, BranchesAndTagsHaveAnAgeOfTheirOwn) {
  TableMetadata metadata = Hourly(6);
  metadata.refs["release"] = {.snapshot_id = 2, .is_branch = false};
  metadata.refs["audit"] = {.snapshot_id = 4, .is_branch = true, .min_snapshots_to_keep = 2};
  metadata.refs["old"] = {.snapshot_id = 1, .is_branch = false, .max_ref_age_ms = 5 * kHour};
  const ExpiryPlan plan = PlanExpiry(metadata, {10 * kHour, 0}).ValueOrDie();
  EXPECT_THAT(plan.refs, ElementsAre("old"));
  EXPECT_THAT(plan.expired, ElementsAre(1, 5));
  EXPECT_THAT(PlanExpiry(metadata, {6 * kHour, 0}).ValueOrDie().refs, IsEmpty()) << "as old as it may be";
  metadata.properties["history.expire.max-ref-age-ms"] = "0";
  EXPECT_THAT(PlanExpiry(metadata, {10 * kHour, 0}).ValueOrDie().refs, ElementsAre("audit", "old", "release"));
}

TEST(PlanExpiry, ASnapshotThatNothingNamesGoesByItsAge) {
  TableMetadata metadata = Hourly(6);
  metadata.refs["main"].snapshot_id = 3;  // rolled back
  metadata.current_snapshot_id = 3;
  EXPECT_THAT(Expired(metadata, {10 * kHour, 5 * kHour}), ElementsAre(1, 2, 4));
}

TEST(PlanExpiry, MainStaysBackToTheNewestWindow) {
  TableMetadata metadata = Hourly(6);
  metadata.snapshots.Edit(1).summary.Set("calve.window-to", "2024-08-09T00:15:00.000000Z");
  metadata.snapshots.Edit(2).summary.Set("calve.window-to", "2024-08-09T00:30:00.000000Z");
  const ExpiryPlan plan = PlanExpiry(metadata, {10 * kHour, 0}).ValueOrDie();
  EXPECT_THAT(plan.expired, ElementsAre(1, 2));
  EXPECT_EQ(plan.kept_for_watermark, 3);
  // Rolled back to before them: calve's tag guards the rest.
  metadata.refs["main"].snapshot_id = 1;
  metadata.current_snapshot_id = 1;
  metadata.properties = {{"history.expire.max-ref-age-ms", "0"}, {"calve.watermark", "{}"}};
  metadata.refs["calve"] = {.snapshot_id = 3, .is_branch = false};
  EXPECT_THAT(PlanExpiry(metadata, {10 * kHour, 0}).ValueOrDie().expired, ElementsAre(2, 4, 5, 6));
}

// Java's RemoveSnapshots, snapshot by snapshot instead of ref by ref.
bool JavaKeeps(const TableMetadata& metadata, const iceberg::Snapshot& snapshot, int64_t now_ms, int64_t age_max_ms,
               int64_t count_min) {
  bool named = false;
  for (const auto& [name, ref] : metadata.refs) {
    const iceberg::Snapshot* step = metadata.FindSnapshot(ref.snapshot_id);
    const int64_t ref_age_max = *metadata.IntProperty("history.expire.max-ref-age-ms", INT64_MAX);
    if (name != "main" && now_ms - step->timestamp_ms > ref.max_ref_age_ms.value_or(ref_age_max)) continue;
    if (step->snapshot_id == snapshot.snapshot_id) return true;
    if (!ref.is_branch) continue;
    bool all_young = true;
    for (int64_t behind = 0; step != nullptr; ++behind, step = metadata.ParentOf(*step)) {
      all_young = all_young && (behind < ref.min_snapshots_to_keep.value_or(count_min) ||
                                now_ms - step->timestamp_ms <= ref.max_snapshot_age_ms.value_or(age_max_ms));
      if (step->snapshot_id != snapshot.snapshot_id) continue;
      if (all_young) return true;
      named = true;
    }
  }
  return !named && now_ms - snapshot.timestamp_ms <= age_max_ms;
}

// What Java would keep stays; what it would not goes, but for main back to the newest window and calve's tag.
TEST(PlanExpiry, RandomHistoriesExpireAsInJava) {
  int expired = 0, for_watermark = 0;
  for (uint64_t seed = 0; seed < 4000; ++seed) {
    RandomHistory history(seed);
    TableMetadata metadata = history.metadata();
    ExpiryRule rule{history.now_ms() + history.Below(30) * kHour};
    if (history.Chance(2)) rule.snapshot_age_max_ms = history.Below(50) * kHour;
    if (history.Chance(2)) rule.snapshots_min = 1 + history.Below(6);
    const int64_t age =
        rule.snapshot_age_max_ms.value_or(*metadata.IntProperty("history.expire.max-snapshot-age-ms", 5 * 24 * kHour));
    const int64_t count = rule.snapshots_min.value_or(*metadata.IntProperty("history.expire.min-snapshots-to-keep", 1));
    const ExpiryPlan plan = PlanExpiry(metadata, rule).ValueOrDie();
    std::set<int64_t> main_needs;
    bool window = false;
    for (const iceberg::Snapshot* step = metadata.CurrentSnapshot(); step != nullptr && !window;
         step = metadata.ParentOf(*step)) {
      main_needs.insert(step->snapshot_id);
      window = step->summary.contains("calve.window-to");
    }
    if (!window && !metadata.properties.contains("calve.watermark")) main_needs.clear();
    int64_t kept_for_watermark = 0;
    for (const iceberg::Snapshot& snapshot : metadata.snapshots) {
      const int64_t id = snapshot.snapshot_id;
      const bool tagged = metadata.refs.contains("calve") && metadata.refs.at("calve").snapshot_id == id;
      const bool java = JavaKeeps(metadata, snapshot, rule.now_ms, age, count);
      ASSERT_EQ(!plan.expired.contains(id), java || tagged || main_needs.contains(id)) << seed << ", snapshot " << id;
      if (!java && !tagged && main_needs.contains(id)) ++kept_for_watermark;
      expired += plan.expired.contains(id) ? 1 : 0;
    }
    ASSERT_EQ(plan.kept_for_watermark, kept_for_watermark) << seed;
    for_watermark += static_cast<int>(kept_for_watermark);
    for (const auto& [name, ref] : metadata.refs) {
      const bool goes = std::find(plan.refs.begin(), plan.refs.end(), name) != plan.refs.end();
      ASSERT_TRUE(goes || !plan.expired.contains(ref.snapshot_id)) << seed << ", " << name;
    }
  }
  EXPECT_GT(expired, 1000);
  EXPECT_GT(for_watermark, 100);
}

}  // namespace
}  // namespace calve::maintain
