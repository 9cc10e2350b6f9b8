#include "calve/iceberg/snapshot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "calve/iceberg/table_update.h"
#include "calve/iceberg/testing_metadata.h"

namespace calve::iceberg {
namespace {

using ::testing::ElementsAre;

std::vector<int64_t> IdsOf(const SnapshotList& list) {
  std::vector<int64_t> ids;
  for (const Snapshot& snapshot : list) ids.push_back(snapshot.snapshot_id);
  return ids;
}

Snapshot WithId(int64_t id) {
  Snapshot snapshot;
  snapshot.snapshot_id = id;
  return snapshot;
}

TEST(SnapshotList, IsAList) {
  SnapshotList list;
  EXPECT_TRUE(list.empty());
  list.reserve(3);
  for (int64_t id : {3, 1, 2}) list.push_back(WithId(id));
  EXPECT_THAT(IdsOf(list), ElementsAre(3, 1, 2));
  EXPECT_EQ(list.size(), 3u);
  EXPECT_EQ(list.front().snapshot_id, 3);
  EXPECT_EQ(list[1].snapshot_id, 1);
  EXPECT_EQ(list.back().snapshot_id, 2);
  EXPECT_EQ(list.begin()->snapshot_id, 3);
  list = {WithId(5), WithId(6)};
  EXPECT_THAT(IdsOf(list), ElementsAre(5, 6));
}

TEST(SnapshotList, ACopySharesAndIsNeverChangedThroughAnother) {
  SnapshotList list = {WithId(1), WithId(2), WithId(3)};
  SnapshotList copy = list;
  EXPECT_EQ(&copy[1], &list[1]);

  list.Edit(1).summary.Set("operation", "append");
  EXPECT_EQ(list[1].snapshot_id, 2);
  EXPECT_TRUE(copy[1].summary.empty());
  EXPECT_EQ(&copy[0], &list[0]);

  list.push_back(WithId(4));
  EXPECT_EQ(list.RemoveIf([](const Snapshot& snapshot) { return snapshot.snapshot_id < 3; }), 2u);
  EXPECT_THAT(IdsOf(list), ElementsAre(3, 4));
  EXPECT_THAT(IdsOf(copy), ElementsAre(1, 2, 3));
}

// What a commit makes of a table's metadata leaves the copies as they were, to the byte.
TEST(SnapshotList, UpdatesLeaveCopiesOfTheBaseAlone) {
  const TableMetadata base = MetadataWithSnapshots(5);
  const std::string before = WriteTableMetadata(base);
  Snapshot next = base.snapshots.back();
  next.snapshot_id = 6;
  next.parent_snapshot_id = 5;
  next.sequence_number = 6;
  const std::vector<TableUpdate> updates = {RemoveSnapshots{{1, 2}}, AddSnapshot{next},
                                            SetSnapshotRef{"main", SnapshotRef{.snapshot_id = 6}}};
  TableMetadata after = ApplyUpdates(base, updates, base.last_updated_ms + 1).ValueOrDie();
  EXPECT_THAT(IdsOf(after.snapshots), ElementsAre(3, 4, 5, 6));
  after.snapshots.Edit(0).manifest_list = "elsewhere";
  EXPECT_EQ(WriteTableMetadata(base), before);
}

// Whether sequence numbers tell the order or (v1) times alone, and where the list does not follow it.
TEST(TableMetadataParentOf, FindsTheParentOfCopiesAndInAnyOrder) {
  for (const bool v1 : {false, true}) {
    TableMetadata metadata = MetadataWithSnapshots(100);
    for (size_t i = 0; v1 && i < metadata.snapshots.size(); ++i) metadata.snapshots.Edit(i).sequence_number = 0;
    for (int64_t id = 100; id > 1; --id) {
      const Snapshot copy = *metadata.FindSnapshot(id);
      ASSERT_EQ(metadata.ParentOf(copy), metadata.FindSnapshot(id - 1));
    }
    EXPECT_EQ(metadata.ParentOf(metadata.snapshots.front()), nullptr);
    std::swap(metadata.snapshots.Edit(4), metadata.snapshots.Edit(90));
    metadata.snapshots.RemoveIf([](const Snapshot& snapshot) { return snapshot.snapshot_id == 50; });
    for (const Snapshot& snapshot : metadata.snapshots) {
      ASSERT_EQ(metadata.ParentOf(snapshot), metadata.FindSnapshot(snapshot.snapshot_id - 1)) << snapshot.snapshot_id;
    }
  }
}

}  // namespace
}  // namespace calve::iceberg
