#include "calve/offload/retire_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "calve/offload/testing_tables.h"
#include "calve/offload/watermark.h"

namespace calve::offload {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr int64_t kRetireHour = 3'600 * kMicrosPerSecond;

HotPart Part(const std::string& name, TimestampMicros first, TimestampMicros last, TimestampMicros limit) {
  HotPart part;
  part.name = name;
  part.partition_id = "all";
  part.rows = part.rows_seen = part.rows_allowed = 10;
  part.first = first;
  part.last = last;
  part.old = last <= limit;
  return part;
}

std::vector<std::string> Names(const std::vector<HotPart>& parts) {
  std::vector<std::string> names;
  for (const HotPart& part : parts) names.push_back(part.name);
  return names;
}

TEST(ChooseParts, TakesWhatHoldsNothingBehindTheLimit) {
  const RetireChoice choice = ChooseParts(
      {Part("a", 1, 99, 100), Part("b", 2, 100, 100), Part("c", 3, 101, 100), Part("d", 101, 200, 100)}, 100);
  EXPECT_THAT(Names(choice.chosen), ElementsAre("a", "b"));
  ASSERT_EQ(choice.kept.size(), 1u);
  EXPECT_EQ(choice.kept[0].part.name, "c");
  EXPECT_EQ(choice.newer, 1);
}

TEST(ChooseParts, ALastRowCutToTheLimitMayBeBehindIt) {
  HotPart part = Part("a", 1, 100, 100);
  part.old = false;  // ClickHouse compared nanoseconds
  EXPECT_THAT(ChooseParts({part}, 100).chosen, IsEmpty());
  part.first = 100;
  EXPECT_EQ(ChooseParts({part}, 100).newer, 0);
}

TEST(ChooseParts, ALimitThatClickHouseTakesForALaterTimeFreesNothing) {
  HotPart part = Part("a", 50, 90, -1'000);
  part.old = true;
  EXPECT_EQ(ChooseParts({part}, -1'000).newer, 1);
  part.first = -2'000;
  EXPECT_EQ(ChooseParts({part}, -1'000).kept.size(), 1u);
}

TEST(ChooseParts, KeepsWhatCannotBeVerified) {
  HotPart null_cursor = Part("null", 1, 2, 100), hidden = Part("hidden", 1, 2, 100), unseen = Part("unseen", 0, 0, 100),
          deleted = Part("deleted", 1, 2, 100);
  null_cursor.rows_null_cursor = 1;
  hidden.rows_seen = hidden.rows_allowed = 9;
  unseen.rows_seen = unseen.rows_allowed = 0;
  deleted.rows_seen = 4;  // and all ten are there for this user
  deleted.has_deleted_rows = true;
  const RetireChoice choice = ChooseParts({null_cursor, hidden, unseen, deleted}, 100);
  EXPECT_THAT(Names(choice.chosen), ElementsAre("deleted"));
  EXPECT_EQ(choice.kept.size(), 3u);
}

TEST(ChooseParts, OnlyRowsWithoutACursor) {
  HotPart part = Part("a", 0, 0, 100);
  part.rows_null_cursor = part.rows_seen;
  part.old = false;
  const RetireChoice choice = ChooseParts({part}, -1);
  EXPECT_EQ(choice.newer, 0);
  EXPECT_EQ(choice.kept.size(), 1u);
}

TEST(KeepParts, ListedOrNot) {
  RetireChoice choice = ChooseParts({Part("a", 1, 2, 100), Part("b", 1, 2, 100), Part("c", 1, 2, 100)}, 100);
  KeepParts(choice, {"b"}, true, "shared");
  EXPECT_THAT(Names(choice.chosen), ElementsAre("a", "c"));
  KeepParts(choice, {"c", "new"}, false, "gone", true);
  EXPECT_THAT(Names(choice.chosen), ElementsAre("c"));
  ASSERT_EQ(choice.kept.size(), 2u);
  EXPECT_EQ(choice.kept[0].reason, "shared");
  EXPECT_TRUE(choice.kept[1].differs);
}

TEST(RangeOf, HoldsFirstAndLastRowAndNothingBehindTheLimit) {
  RetireRange range = RangeOf({Part("a", 5, 50, 100), Part("b", 3, 40, 100)}, 100);
  EXPECT_EQ(range.from, 3);
  EXPECT_EQ(range.to, 52);  // exclusive; 51 for the fraction of a microsecond
  range = RangeOf({Part("a", 5, 100, 100)}, 100);
  EXPECT_EQ(range.to, 101);
}

BucketResult Bucket(TimestampMicros start, int64_t missing, int64_t changed, int64_t extra, int64_t defaulted = 0) {
  BucketResult bucket;
  bucket.start = start;
  bucket.missing = missing;
  bucket.changed = changed;
  bucket.extra = bucket.duplicates = extra;
  bucket.defaulted = defaulted;
  return bucket;
}

TEST(Blocks, WhatColdLacksAndNothingElse) {
  EXPECT_TRUE(Blocks(Bucket(0, 1, 0, 0), false));
  EXPECT_TRUE(Blocks(Bucket(0, 0, 1, 0), false));
  EXPECT_FALSE(Blocks(Bucket(0, 0, 0, 7), true));
  EXPECT_FALSE(Blocks(Bucket(0, 0, 0, 0, 3), false));
  EXPECT_TRUE(Blocks(Bucket(0, 0, 0, 0, 3), true));
}

TEST(BlockedRanges, JoinsNeighbours) {
  VerifyResult verified;
  verified.differences = {Bucket(0, 1, 0, 0), Bucket(kRetireHour, 0, 2, 0), Bucket(2 * kRetireHour, 0, 0, 5),
                          Bucket(5 * kRetireHour, 1, 0, 0)};
  EXPECT_THAT(BlockedRanges(verified, kRetireHour, Cursor{"ts", 3, true, false}, false),
              ElementsAre(Window{-1, 2 * kRetireHour - 1}, Window{5 * kRetireHour - 1, 6 * kRetireHour - 1}));
  EXPECT_THAT(BlockedRanges(verified, kRetireHour, Cursor{"ts", 9, true, false}, false),
              ElementsAre(Window{-1, 2 * kRetireHour}, Window{5 * kRetireHour - 1, 6 * kRetireHour}));
}

class CheckColdSinceTest : public testing::Test {
 protected:
  CheckColdSinceTest() : metadata_(MakeMetadata({Field(1, "ts", true, iceberg::Type{})})) {
    AddSnapshotOnMain(metadata_, 1, {});
    AddSnapshotOnMain(metadata_, 2, {});
  }
  Status Check(int64_t verified) { return CheckColdSince(metadata_, metadata_.table_uuid, verified); }

  iceberg::TableMetadata metadata_;
};

TEST_F(CheckColdSinceTest, TheTipAndAppendsOnIt) {
  EXPECT_TRUE(Check(2).ok());
  EXPECT_TRUE(Check(1).ok());
}

TEST_F(CheckColdSinceTest, OthersMayOnlyAppend) {
  for (const char* operation : {"overwrite", "delete", "replace", "what"}) {
    auto changed = metadata_;
    AddSnapshotOnMain(changed, 3, {}).summary.Set("operation", operation);
    Status status = CheckColdSince(changed, changed.table_uuid, 2);
    EXPECT_EQ(KindOf(status), ErrorKind::kConflict) << operation;
    EXPECT_THAT(MessageOf(status), HasSubstr(operation));
    changed.snapshots.Edit(changed.snapshots.size() - 1).summary.Set("calve.commit-id", "x");
    EXPECT_TRUE(CheckColdSince(changed, changed.table_uuid, 2).ok()) << operation;
  }
}

TEST_F(CheckColdSinceTest, RolledBackExpiredReplacedOrEmptied) {
  EXPECT_EQ(KindOf(Check(7)), ErrorKind::kConflict);
  metadata_.current_snapshot_id = 1;
  EXPECT_EQ(KindOf(Check(2)), ErrorKind::kConflict);
  metadata_.current_snapshot_id = 2;
  metadata_.snapshots.RemoveIf([](const auto& snapshot) { return snapshot.snapshot_id == 1; });
  EXPECT_TRUE(Check(2).ok());
  EXPECT_EQ(KindOf(Check(1)), ErrorKind::kConflict);
  EXPECT_EQ(KindOf(CheckColdSince(metadata_, "another", 2)), ErrorKind::kConflict);
  metadata_.current_snapshot_id.reset();
  EXPECT_EQ(KindOf(Check(2)), ErrorKind::kConflict);
}

TEST_F(CheckColdSinceTest, ACycleAmongParentsEnds) {
  metadata_.snapshots.Edit(0).parent_snapshot_id = 2;
  EXPECT_EQ(KindOf(Check(7)), ErrorKind::kConflict);
}

TEST(SplitOfView, OfCalvesViewsOnly) {
  const std::string select =
      "SELECT _t.ts AS ts FROM default.trades AS _t WHERE _t.ts > toDateTime64('2024-08-09 01:00:00.000', 3, 'UTC') "
      "UNION ALL SELECT CAST(_c.ts, 'DateTime64(3)') AS ts FROM icebergLocal('/srv/cold/t') AS _c WHERE _c.ts <= "
      "toDateTime64('2024-08-09 01:00:00.000', 3, 'UTC')";
  EXPECT_EQ(SplitOfView(select), ParseTimestamp("2024-08-09T01:00:00Z").ValueOrDie());
  EXPECT_EQ(SplitOfView("SELECT * FROM icebergLocal('/srv/cold/t')"), std::nullopt);
  EXPECT_EQ(SplitOfView("SELECT * FROM t WHERE ts <= toDateTime('2024-08-09 01:00:00', 'UTC')"), std::nullopt);
  EXPECT_EQ(SplitOfView("FROM icebergLocal('/x') WHERE ts <= toDateTime(now())"), std::nullopt);
  EXPECT_EQ(SplitOfView(""), std::nullopt);
}

TEST(ReadRetiredTo, NothingATimeOrAnError) {
  iceberg::TableMetadata metadata = MakeMetadata({Field(1, "ts", true, iceberg::Type{})});
  EXPECT_EQ(ReadRetiredTo(metadata).ValueOrDie(), std::nullopt);
  metadata.properties[kRetiredProperty] = FormatTimestamp(5 * kRetireHour + 1);
  EXPECT_EQ(ReadRetiredTo(metadata).ValueOrDie(), 5 * kRetireHour + 1);
  metadata.properties[kRetiredProperty] = "yesterday";
  EXPECT_EQ(KindOf(ReadRetiredTo(metadata).status()), ErrorKind::kCorrupt);
}

}  // namespace
}  // namespace calve::offload
