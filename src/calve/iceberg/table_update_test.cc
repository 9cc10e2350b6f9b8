#include "calve/iceberg/table_update.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "calve/iceberg/testing_metadata.h"

namespace calve::iceberg {
namespace {

constexpr int64_t kNow = 1'800'000'000'000;

Snapshot NewSnapshot(int64_t id, int64_t sequence_number, std::optional<int64_t> parent = std::nullopt) {
  Snapshot snapshot;
  snapshot.snapshot_id = id;
  snapshot.parent_snapshot_id = parent;
  snapshot.sequence_number = sequence_number;
  snapshot.timestamp_ms = kNow - 5;
  snapshot.manifest_list = "file:///srv/cold/trades/metadata/snap.avro";
  snapshot.summary = {{"operation", "append"}};
  snapshot.schema_id = 0;
  return snapshot;
}

SetSnapshotRef Main(int64_t id) { return {"main", SnapshotRef{.snapshot_id = id}}; }

TableMetadata Apply(const TableMetadata& base, std::vector<TableUpdate> updates, int64_t now_ms = kNow) {
  auto metadata = ApplyUpdates(base, updates, now_ms);
  EXPECT_TRUE(metadata.ok()) << metadata.status().ToString();
  if (!metadata.ok()) return base;
  // Whatever was made must be readable, and say the same.
  std::string written = WriteTableMetadata(*metadata);
  auto again = ParseTableMetadata(written);
  EXPECT_TRUE(again.ok()) << again.status().ToString();
  EXPECT_EQ(again.ok() ? WriteTableMetadata(*again) : "", written);
  return *metadata;
}

void ExpectRefused(const TableMetadata& base, std::vector<TableUpdate> updates, std::string_view what,
                   ErrorKind kind = ErrorKind::kFailed) {
  auto metadata = ApplyUpdates(base, updates, kNow);
  ASSERT_FALSE(metadata.ok()) << what;
  EXPECT_EQ(KindOf(metadata.status()), kind);
  EXPECT_NE(MessageOf(metadata.status()).find(what), std::string::npos) << MessageOf(metadata.status());
}

TEST(ApplyUpdates, AppendMovesMain) {
  TableMetadata base = MetadataWithSnapshots(0);
  TableMetadata metadata = Apply(base, {AddSnapshot{NewSnapshot(7, 1)}, Main(7)});
  EXPECT_EQ(metadata.current_snapshot_id, 7);
  EXPECT_EQ(metadata.CurrentSnapshot()->snapshot_id, 7);
  EXPECT_EQ(metadata.last_sequence_number, 1);
  EXPECT_EQ(metadata.last_updated_ms, kNow);
  EXPECT_EQ(metadata.refs.at("main").snapshot_id, 7);
  ASSERT_EQ(metadata.snapshot_log.size(), 1u);
  EXPECT_EQ(metadata.snapshot_log[0].snapshot_id, 7);
  EXPECT_EQ(metadata.snapshot_log[0].timestamp_ms, kNow - 5);  // when the snapshot was made
  EXPECT_TRUE(metadata.metadata_log.empty());                  // the catalog's business

  metadata = Apply(metadata, {AddSnapshot{NewSnapshot(8, 2, 7)}, Main(8)}, kNow + 10);
  EXPECT_EQ(metadata.snapshot_log.size(), 2u);
  EXPECT_EQ(metadata.last_updated_ms, kNow + 10);
}

TEST(ApplyUpdates, NothingChangedLeavesTheTime) {
  TableMetadata base = MetadataWithSnapshots(2);
  EXPECT_EQ(Apply(base, {}).last_updated_ms, base.last_updated_ms);
  TableMetadata metadata = Apply(base, {SetProperties{{{"owner", "root"}}}, RemoveProperties{{"nothing"}}, Main(2),
                                        SetCurrentSchema{0}, SetDefaultSpec{0}, SetLocation{base.location + "/"},
                                        UpgradeFormatVersion{2}, RemoveSnapshots{{99}}, RemoveSnapshotRef{"nothing"}});
  EXPECT_EQ(WriteTableMetadata(metadata), WriteTableMetadata(base));
}

TEST(ApplyUpdates, TimeNeverGoesBack) {
  TableMetadata base = MetadataWithSnapshots(2);
  TableMetadata metadata = Apply(base, {SetProperties{{{"a", "b"}}}}, 5);
  EXPECT_EQ(metadata.last_updated_ms, base.last_updated_ms);
  // A clock that lags: Java refuses to load a table whose log goes back by more than a minute.
  Snapshot early = NewSnapshot(9, 3, 2);
  early.timestamp_ms = base.last_updated_ms - 3'600'000;
  metadata = Apply(base, {AddSnapshot{early}, Main(9)}, 5);
  EXPECT_EQ(metadata.snapshot_log.back().timestamp_ms, base.last_updated_ms);
  EXPECT_EQ(metadata.FindSnapshot(9)->timestamp_ms, early.timestamp_ms);
  // A clock that is ahead.
  Snapshot late = NewSnapshot(9, 3, 2);
  late.timestamp_ms = kNow + 1000;
  EXPECT_EQ(Apply(base, {AddSnapshot{late}, Main(9)}).last_updated_ms, kNow + 1000);
}

TEST(ApplyUpdates, SnapshotInvariants) {
  TableMetadata base = MetadataWithSnapshots(3);
  ExpectRefused(base, {AddSnapshot{NewSnapshot(3, 4)}}, "there is a snapshot 3 already");
  ExpectRefused(base, {AddSnapshot{NewSnapshot(4, 3)}}, "sequence number 3");
  ExpectRefused(base, {AddSnapshot{NewSnapshot(4, 0)}}, "sequence number 0");
  ExpectRefused(base, {AddSnapshot{NewSnapshot(0, 4)}}, "not positive");
  ExpectRefused(base, {AddSnapshot{NewSnapshot(-1, 4)}}, "not positive");
  ExpectRefused(base, {AddSnapshot{NewSnapshot(4, 4, 4)}}, "its own parent");
  ExpectRefused(base, {AddSnapshot{NewSnapshot(4, 4)}, AddSnapshot{NewSnapshot(5, 4)}}, "sequence number 4");
  Snapshot broken = NewSnapshot(4, 4);
  broken.manifest_list = "";
  ExpectRefused(base, {AddSnapshot{broken}}, "no manifest list");
  broken = NewSnapshot(4, 4);
  broken.summary.clear();
  ExpectRefused(base, {AddSnapshot{broken}}, "no operation");
  broken = NewSnapshot(4, 4);
  broken.schema_id = 12;
  ExpectRefused(base, {AddSnapshot{broken}}, "schema 12");
}

TEST(ApplyUpdates, RefInvariants) {
  TableMetadata base = MetadataWithSnapshots(3);
  ExpectRefused(base, {Main(99)}, "which the table lacks");
  ExpectRefused(base, {SetSnapshotRef{"main", {.snapshot_id = 1, .is_branch = false}}}, "main must be a branch");
  ExpectRefused(base, {SetSnapshotRef{"", {.snapshot_id = 1}}}, "needs a name");
  // A failed update leaves nothing behind: the base is a value.
  EXPECT_EQ(base.refs.size(), 1u);
}

TEST(ApplyUpdates, TagsLeaveTheLogAlone) {
  TableMetadata base = MetadataWithSnapshots(3);
  TableMetadata metadata = Apply(base, {SetSnapshotRef{"calve", {.snapshot_id = 3, .is_branch = false}}});
  EXPECT_EQ(metadata.snapshot_log.size(), 3u);
  EXPECT_FALSE(metadata.refs.at("calve").is_branch);
  EXPECT_EQ(metadata.current_snapshot_id, 3);
  EXPECT_EQ(Apply(metadata, {RemoveSnapshotRef{"calve"}}).refs.size(), 1u);
}

TEST(ApplyUpdates, RollbackIsLoggedNow) {
  TableMetadata metadata = Apply(MetadataWithSnapshots(3), {Main(1)});
  EXPECT_EQ(metadata.current_snapshot_id, 1);
  EXPECT_EQ(metadata.snapshot_log.size(), 4u);
  EXPECT_EQ(metadata.snapshot_log.back().snapshot_id, 1);
  EXPECT_EQ(metadata.snapshot_log.back().timestamp_ms, kNow);
  EXPECT_EQ(metadata.last_sequence_number, 3);
}

TEST(ApplyUpdates, IntermediateSnapshotsAreNotLogged) {
  TableMetadata metadata = Apply(MetadataWithSnapshots(1), {AddSnapshot{NewSnapshot(7, 2, 1)}, Main(7),
                                                            AddSnapshot{NewSnapshot(8, 3, 7)}, Main(8)});
  EXPECT_EQ(metadata.snapshots.size(), 3u);
  ASSERT_EQ(metadata.snapshot_log.size(), 2u);
  EXPECT_EQ(metadata.snapshot_log.back().snapshot_id, 8);
}

TEST(ApplyUpdates, RemovingMainEmptiesTheTable) {
  TableMetadata metadata = Apply(MetadataWithSnapshots(2), {RemoveSnapshotRef{"main"}});
  EXPECT_FALSE(metadata.current_snapshot_id.has_value());
  EXPECT_EQ(metadata.CurrentSnapshot(), nullptr);
  EXPECT_TRUE(metadata.refs.empty());
}

TEST(ApplyUpdates, RemovedSnapshotsTakeLogAndStatisticsAlongAndNoRef) {
  TableMetadata base = MetadataWithSnapshots(5);
  base.refs["old"] = {.snapshot_id = 2, .is_branch = false};
  base.extra_json =
      R"({"statistics":[{"snapshot-id":2},{"snapshot-id":5}],"partition-statistics":[{"snapshot-id":2}],"x":1})";
  TableMetadata metadata = Apply(base, {RemoveSnapshotRef{"old"}, RemoveSnapshots{{1, 2}}});
  EXPECT_EQ(metadata.snapshots.size(), 3u);
  EXPECT_EQ(metadata.refs.size(), 1u);
  ASSERT_EQ(metadata.snapshot_log.size(), 3u);
  EXPECT_EQ(metadata.snapshot_log[0].snapshot_id, 3);
  EXPECT_EQ(metadata.extra_json, R"({"partition-statistics":[],"statistics":[{"snapshot-id":5}],"x":1})");
  EXPECT_EQ(metadata.current_snapshot_id, 5);
  // A gap in the middle takes all before it along: else 1 would seem to have been current until 4.
  metadata = Apply(MetadataWithSnapshots(5), {RemoveSnapshots{{3}}});
  ASSERT_EQ(metadata.snapshot_log.size(), 2u);
  EXPECT_EQ(metadata.snapshot_log[0].snapshot_id, 4);
  EXPECT_EQ(metadata.snapshots.size(), 4u);
  // A ref that points to one came after it was planned.
  const std::vector<TableUpdate> unaware = {RemoveSnapshots{{1, 2}}};
  EXPECT_EQ(KindOf(ApplyUpdates(base, unaware, 0).status()), ErrorKind::kConflict);
  const std::vector<TableUpdate> tip = {RemoveSnapshots{{2}}};
  EXPECT_EQ(KindOf(ApplyUpdates(MetadataWithSnapshots(2), tip, 0).status()), ErrorKind::kConflict);
  metadata = Apply(MetadataWithSnapshots(2), {RemoveSnapshotRef{"main"}, RemoveSnapshots{{2}}});
  EXPECT_FALSE(metadata.current_snapshot_id.has_value());
  EXPECT_EQ(metadata.last_sequence_number, 2);
}

Schema WithColumn(const TableMetadata& base, int id, const char* name, Type type) {
  Schema schema = base.schema();
  schema.fields.push_back({id, name, false, std::move(type), ""});
  return schema;
}

TEST(ApplyUpdates, SchemaIsAddedOnceAndMadeCurrent) {
  TableMetadata base = MetadataWithSnapshots(1);
  Schema wider = WithColumn(base, 4, "extra", Type::Of(TypeId::kString));
  TableMetadata metadata = Apply(base, {AddSchema{wider}, SetCurrentSchema{-1}});
  EXPECT_EQ(metadata.current_schema_id, 1);
  EXPECT_EQ(metadata.last_column_id, 4);
  // The same fields again, under another id: nothing new, and -1 means that one.
  wider.schema_id = 77;
  TableMetadata again = Apply(metadata, {AddSchema{wider}, SetCurrentSchema{-1}});
  EXPECT_EQ(again.schemas.size(), 2u);
  EXPECT_EQ(again.current_schema_id, 1);
  EXPECT_EQ(again.last_updated_ms, metadata.last_updated_ms);
  // Back to the first one.
  EXPECT_EQ(Apply(metadata, {AddSchema{base.schema()}, SetCurrentSchema{-1}}).current_schema_id, 0);
}

TEST(ApplyUpdates, SchemaInvariants) {
  TableMetadata base = MetadataWithSnapshots(1);
  ExpectRefused(base, {SetCurrentSchema{-1}}, "no schema was added");
  ExpectRefused(base, {SetCurrentSchema{5}}, "no schema 5");
  ExpectRefused(base, {AddSchema{WithColumn(base, 3, "extra", Type::Of(TypeId::kString))}},
                "two columns have field id 3");
  ExpectRefused(base, {AddSchema{WithColumn(base, 4, "ts", Type::Of(TypeId::kString))}}, "two columns are named 'ts'");
  ExpectRefused(base, {AddSchema{WithColumn(base, 0, "extra", Type::Of(TypeId::kString))}}, "ids are positive");
  ExpectRefused(base, {AddSchema{WithColumn(base, 4, "extra", Type::Of(TypeId::kTimestampNs))}}, "timestamp_ns");
  Schema narrowed = base.schema();
  narrowed.fields[2].type = Type::Of(TypeId::kInt);
  ExpectRefused(base, {AddSchema{narrowed}}, "is long in schema 0 and cannot become int");
  // An id that a dropped column had is not given again, not even for the same type in another schema's past.
  Schema wider = WithColumn(base, 4, "extra", Type::Of(TypeId::kString));
  TableMetadata metadata =
      Apply(base, {AddSchema{wider}, SetCurrentSchema{-1}, AddSchema{base.schema()}, SetCurrentSchema{-1}});
  ExpectRefused(metadata, {AddSchema{WithColumn(base, 4, "other", Type::Of(TypeId::kInt))}}, "cannot become int");
  metadata.schemas.pop_back();
  ExpectRefused(metadata, {AddSchema{WithColumn(base, 4, "other", Type::Of(TypeId::kInt))}},
                "ids up to 4 were given already");
  // The partition's source cannot go.
  Schema without = base.schema();
  without.fields.erase(without.fields.begin());
  ExpectRefused(base, {AddSchema{without}, SetCurrentSchema{-1}}, "partition field 'ts_day'");
  Apply(base, {AddSchema{without}});
}

TEST(ApplyUpdates, PromotionsAreAllowed) {
  TableMetadata base =
      Apply(MetadataWithSnapshots(0),
            {AddSchema{WithColumn(MetadataWithSnapshots(0), 4, "n", Type::Of(TypeId::kInt))}, SetCurrentSchema{-1}});
  Schema promoted = base.schema();
  promoted.fields[3].type = Type::Of(TypeId::kLong);
  EXPECT_EQ(Apply(base, {AddSchema{promoted}, SetCurrentSchema{-1}}).schema().FindField("n")->type,
            Type::Of(TypeId::kLong));
}

PartitionField Field(int source_id, const char* name, const char* transform, int field_id = 0) {
  return {source_id, field_id, name, ParseTransform(transform)};
}

TEST(ApplyUpdates, PartitionSpecsReuseIds) {
  TableMetadata base = MetadataWithSnapshots(1);
  // The same spec, field ids aside: nothing new.
  TableMetadata same = Apply(base, {AddPartitionSpec{{9, {Field(1, "ts_day", "day", 1234)}}}, SetDefaultSpec{-1}});
  EXPECT_EQ(same.partition_specs.size(), 1u);
  EXPECT_EQ(same.default_spec_id, 0);
  // A wider one keeps the field id of what it shares.
  TableMetadata wider = Apply(
      base, {AddPartitionSpec{{0, {Field(2, "exchange", "identity"), Field(1, "ts_day", "day")}}}, SetDefaultSpec{-1}});
  EXPECT_EQ(wider.default_spec_id, 1);
  EXPECT_EQ(wider.spec().fields[0].field_id, 1001);
  EXPECT_EQ(wider.spec().fields[1].field_id, 1000);
  EXPECT_EQ(wider.last_partition_id, 1001);
  // A renamed field is another spec, but the same field.
  TableMetadata renamed = Apply(wider, {AddPartitionSpec{{0, {Field(1, "d", "day")}}}, SetDefaultSpec{-1}});
  EXPECT_EQ(renamed.default_spec_id, 2);
  EXPECT_EQ(renamed.spec().fields[0].field_id, 1000);
  // A free id that the caller chose is kept; one in use is not.
  TableMetadata chosen =
      Apply(wider, {AddPartitionSpec{{0, {Field(3, "id", "identity", 2000), Field(3, "b", "bucket[2]", 1000)}}},
                    SetDefaultSpec{-1}});
  EXPECT_EQ(chosen.spec().fields[0].field_id, 2000);
  EXPECT_EQ(chosen.spec().fields[1].field_id, 2001);
  // A void field stays in the place, and under the id, of the one that it replaces.
  TableMetadata voided =
      Apply(wider, {AddPartitionSpec{{0, {Field(2, "exchange", "void", 1001), Field(1, "ts_day", "day", 1000)}}},
                    SetDefaultSpec{-1}});
  EXPECT_EQ(voided.spec().fields[0].field_id, 1001);
}

TEST(ApplyUpdates, SpecAndOrderInvariants) {
  TableMetadata base = MetadataWithSnapshots(1);
  ExpectRefused(base, {SetDefaultSpec{-1}}, "no partition spec was added");
  ExpectRefused(base, {SetDefaultSpec{4}}, "no partition spec 4");
  ExpectRefused(base, {AddPartitionSpec{{0, {Field(99, "x", "identity")}}}}, "field id 99");
  ExpectRefused(base, {AddPartitionSpec{{0, {Field(3, "id_day", "day")}}}}, "does not apply");
  ExpectRefused(base, {AddPartitionSpec{{0, {Field(3, "z", "zorder")}}}}, "'zorder'");
  ExpectRefused(base, {SetDefaultSortOrder{-1}}, "no sort order was added");
  ExpectRefused(base, {SetDefaultSortOrder{3}}, "no sort order 3");
  ExpectRefused(base, {AddSortOrder{{1, {{99, {}, true, true}}}}}, "field id 99");
}

TEST(ApplyUpdates, SortOrdersAreReused) {
  TableMetadata base = MetadataWithSnapshots(1);
  SortOrder order{42, {{3, {}, true, false}}};
  TableMetadata metadata = Apply(base, {AddSortOrder{order}, SetDefaultSortOrder{-1}});
  EXPECT_EQ(metadata.default_sort_order_id, 1);
  EXPECT_EQ(Apply(metadata, {AddSortOrder{order}}).sort_orders.size(), 2u);
  EXPECT_EQ(Apply(metadata, {AddSortOrder{{}}, SetDefaultSortOrder{-1}}).default_sort_order_id, 0);
}

TEST(ApplyUpdates, PropertiesAndLocation) {
  TableMetadata metadata = Apply(MetadataWithSnapshots(1), {SetProperties{{{"a", "1"}, {"owner", "you"}}},
                                                            RemoveProperties{{"a", "b"}}, SetLocation{"s3://b/t/"}});
  EXPECT_EQ(metadata.properties, (std::map<std::string, std::string>{{"owner", "you"}}));
  EXPECT_EQ(metadata.location, "s3://b/t");
  ExpectRefused(MetadataWithSnapshots(1), {SetLocation{""}}, "location cannot be empty");
}

TEST(ApplyUpdates, V1BecomesV2) {
  TableMetadata v1 = *ParseTableMetadata(kV1OldestJson);
  TableMetadata upgraded = Apply(v1, {UpgradeFormatVersion{2}});
  EXPECT_EQ(upgraded.format_version, 2);
  EXPECT_EQ(upgraded.table_uuid.size(), 36u);  // v2 requires one
  EXPECT_EQ(upgraded.table_uuid, Apply(v1, {UpgradeFormatVersion{2}}, kNow + 1).table_uuid);
  EXPECT_EQ(upgraded.FindSnapshot(1)->sequence_number, 0);
  // The first commit upgrades by itself.
  TableMetadata committed = Apply(v1, {AddSnapshot{NewSnapshot(7, 1, 1)}, Main(7)});
  EXPECT_EQ(committed.format_version, 2);
  EXPECT_EQ(committed.FindSnapshot(1)->v1_manifests.size(), 2u);
  // A mere property leaves the version to the table's owner.
  EXPECT_EQ(Apply(v1, {SetProperties{{{"a", "b"}}}}).format_version, 1);
  ExpectRefused(v1, {AddPartitionSpec{{0, {Field(3, "z", "identity")}}}}, "v1 table", ErrorKind::kUnsupported);
}

TEST(ApplyUpdates, VersionsOnlyGoUpToTwo) {
  TableMetadata base = MetadataWithSnapshots(1);
  ExpectRefused(base, {UpgradeFormatVersion{1}}, "cannot become v1");
  ExpectRefused(base, {UpgradeFormatVersion{3}}, "format version 3", ErrorKind::kUnsupported);
  base.format_version = 3;
  ExpectRefused(base, {SetProperties{{{"a", "b"}}}}, "v3", ErrorKind::kUnsupported);
}

TEST(ApplyUpdates, UnknownTransformIsNotWrittenUnder) {
  TableMetadata base = *ParseTableMetadata(kV2Json);
  ExpectRefused(base, {AddSnapshot{NewSnapshot(7, 35)}}, "'zorder'", ErrorKind::kUnsupported);
  Apply(base, {SetProperties{{{"a", "b"}}}});
}

Status Check(const TableMetadata* base, const TableRequirement& requirement) {
  return CheckRequirements(base, std::span(&requirement, 1));
}

TEST(CheckRequirements, HoldOrConflict) {
  TableMetadata base = MetadataWithSnapshots(2);
  auto expect_conflict = [&](const TableRequirement& requirement, std::string_view found) {
    Status status = Check(&base, requirement);
    ASSERT_FALSE(status.ok()) << found;
    EXPECT_EQ(KindOf(status), ErrorKind::kConflict);
    EXPECT_NE(MessageOf(status).find(found), std::string::npos) << MessageOf(status);
  };
  EXPECT_TRUE(Check(&base, AssertTableUuid{"9C12D441-03fe-4693-9a96-a0705ddf69c1"}).ok());
  EXPECT_TRUE(Check(&base, AssertRefSnapshotId{"main", 2}).ok());
  EXPECT_TRUE(Check(&base, AssertRefSnapshotId{"other", std::nullopt}).ok());
  EXPECT_TRUE(Check(&base, AssertLastAssignedFieldId{3}).ok());
  EXPECT_TRUE(Check(&base, AssertCurrentSchemaId{0}).ok());
  EXPECT_TRUE(Check(&base, AssertLastAssignedPartitionId{1000}).ok());
  EXPECT_TRUE(Check(&base, AssertDefaultSpecId{0}).ok());
  EXPECT_TRUE(Check(&base, AssertDefaultSortOrderId{0}).ok());
  expect_conflict(AssertCreate{}, "the table exists");
  expect_conflict(AssertTableUuid{"x"}, "9c12d441");
  expect_conflict(AssertRefSnapshotId{"main", 1}, "the snapshot of ref 'main' is 2, 1 was expected");
  expect_conflict(AssertRefSnapshotId{"main", std::nullopt}, "at snapshot 2");
  expect_conflict(AssertRefSnapshotId{"other", 1}, "none");
  expect_conflict(AssertLastAssignedFieldId{4}, "3");
  expect_conflict(AssertCurrentSchemaId{1}, "schema id is 0");
  expect_conflict(AssertLastAssignedPartitionId{999}, "1000");
  expect_conflict(AssertDefaultSpecId{1}, "spec id is 0");
  expect_conflict(AssertDefaultSortOrderId{1}, "order id is 0");
}

TEST(CheckRequirements, NoTable) {
  EXPECT_TRUE(Check(nullptr, AssertCreate{}).ok());
  EXPECT_TRUE(CheckRequirements(nullptr, {}).ok());
  EXPECT_EQ(KindOf(Check(nullptr, AssertTableUuid{"x"})), ErrorKind::kConflict);
  EXPECT_EQ(KindOf(Check(nullptr, AssertRefSnapshotId{"main", std::nullopt})), ErrorKind::kConflict);
}

}  // namespace
}  // namespace calve::iceberg
