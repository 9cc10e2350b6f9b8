#include "calve/offload/mode.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "calve/offload/source_select.h"
#include "calve/offload/testing_tables.h"

namespace calve::offload {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

source::SourceTable ModeTable(const std::string& engine, const std::string& sorting_key,
                              const std::string& partition_key = "", std::vector<std::string> arguments = {}) {
  source::SourceTable table =
      MakeSourceTable({{"ts", "DateTime64(3)"}, {"id", "UInt64"}, {"venue", "String"}, {"sign", "Int8"}});
  table.engine = engine;
  table.sorting_key = sorting_key;
  table.partition_key = partition_key;
  table.engine_arguments = std::move(arguments);
  return table;
}

TEST(Mode, AutoIsUpsertBySortingKeyWhereTheEngineMerges) {
  for (const char* engine : {"ReplacingMergeTree", "ReplicatedAggregatingMergeTree", "SummingMergeTree",
                             "VersionedCollapsingMergeTree", "SharedCoalescingMergeTree"}) {
    const auto identity = ResolveIdentity(Mode::kAuto, ModeTable(engine, "venue, ts"), "ts", {}).ValueOrDie();
    EXPECT_EQ(identity.mode, Mode::kUpsert) << engine;
    EXPECT_THAT(identity.key, ElementsAre("venue", "ts"));
    EXPECT_FALSE(identity.key_spans_time);
  }
  for (const char* engine : {"MergeTree", "ReplicatedMergeTree", "Memory", "Distributed"}) {
    const auto identity = ResolveIdentity(Mode::kAuto, ModeTable(engine, "venue, ts"), "ts", {}).ValueOrDie();
    EXPECT_EQ(identity.mode, Mode::kAppend) << engine;
    EXPECT_THAT(identity.key, IsEmpty());
  }
}

TEST(Mode, ADistributedTableMergesAsTheTablesBehindItDo) {
  source::SourceTable table = ModeTable("Distributed", "venue, id");
  table.engine_behind = "ReplicatedReplacingMergeTree";
  table.sharding_key = "cityHash64(venue)";
  auto identity = ResolveIdentity(Mode::kAuto, table, "ts", {}).ValueOrDie();
  EXPECT_EQ(identity.mode, Mode::kUpsert);
  EXPECT_THAT(identity.key, ElementsAre("venue", "id"));
  EXPECT_EQ(identity.note, "");
  EXPECT_THAT(RowsClause(table, "1"), HasSubstr(" FINAL WHERE"));
  for (const char* spread : {"", "rand()", "cityHash64(venue, sign)"}) {
    table.sharding_key = spread;
    EXPECT_THAT(ResolveIdentity(Mode::kAuto, table, "ts", {})->note, HasSubstr("is not sharded by columns of"))
        << spread;
  }
  table.engine_behind = "";
  identity = ResolveIdentity(Mode::kAuto, table, "ts", {}).ValueOrDie();
  EXPECT_EQ(identity.mode, Mode::kAppend);
  EXPECT_THAT(identity.note, HasSubstr("is not known here"));
  table.engine_behind = "MergeTree";
  EXPECT_EQ(ResolveIdentity(Mode::kAuto, table, "ts", {})->note, "");
}

TEST(Mode, AnEngineThatCannotBeSeenIsNotGuessed) {
  const auto unseen = ResolveIdentity(Mode::kAuto, ModeTable("", ""), "ts", {});
  EXPECT_EQ(KindOf(unseen.status()), ErrorKind::kConfig);
  EXPECT_THAT(RemedyOf(unseen.status()), HasSubstr("SHOW TABLES"));
  EXPECT_EQ(ResolveIdentity(Mode::kAppend, ModeTable("", ""), "ts", {})->mode, Mode::kAppend);
}

TEST(Mode, AKeyWithoutTheCursorSpansTime) {
  EXPECT_TRUE(ResolveIdentity(Mode::kAuto, ModeTable("ReplacingMergeTree", "id"), "ts", {})->key_spans_time);
  EXPECT_TRUE(
      ResolveIdentity(Mode::kAuto, ModeTable("ReplacingMergeTree", "venue, id", "venue"), "ts", {})->key_spans_time);
  EXPECT_FALSE(ResolveIdentity(Mode::kAuto, ModeTable("ReplacingMergeTree", "id"), "ts", {"id", "ts"})->key_spans_time);
}

TEST(Mode, RefusesWhatWouldLoseOrDoubleRows) {
  auto kind = [](const Result<RowIdentity>& result) { return KindOf(result.status()); };
  const auto upsert_of_none = ResolveIdentity(Mode::kUpsert, ModeTable("MergeTree", "id"), "ts", {"id"});
  EXPECT_EQ(kind(upsert_of_none), ErrorKind::kConfig);
  const auto part_of_key = ResolveIdentity(Mode::kAuto, ModeTable("ReplacingMergeTree", "venue, id"), "ts", {"id"});
  EXPECT_EQ(kind(part_of_key), ErrorKind::kConfig);
  EXPECT_THAT(MessageOf(part_of_key.status()), HasSubstr("venue"));
  const auto two_partitions =
      ResolveIdentity(Mode::kAuto, ModeTable("ReplacingMergeTree", "id", "toYYYYMM(ts)"), "ts", {});
  EXPECT_EQ(kind(two_partitions), ErrorKind::kConfig);
  EXPECT_THAT(RemedyOf(two_partitions.status()), HasSubstr("--key id,ts"));
  const auto expression = ModeTable("ReplacingMergeTree", "id, toDate(ts)");
  EXPECT_EQ(kind(ResolveIdentity(Mode::kUpsert, expression, "ts", {})), ErrorKind::kConfig);
  const auto fallen_back = ResolveIdentity(Mode::kAuto, expression, "ts", {}).ValueOrDie();
  EXPECT_EQ(fallen_back.mode, Mode::kAppend);
  EXPECT_THAT(fallen_back.note, HasSubstr("--key"));
}

TEST(MergeRules, FollowTheEngine) {
  const auto replacing = MergeRulesOf(ModeTable("ReplacingMergeTree", "id", "", {"version", "gone"}));
  EXPECT_TRUE(replacing.whole_rows);
  EXPECT_EQ(replacing.deleted_column, "gone");
  EXPECT_TRUE(replacing.tells_deletions());
  EXPECT_FALSE(MergeRulesOf(ModeTable("ReplacingMergeTree", "id", "", {"version"})).tells_deletions());
  const auto collapsing = MergeRulesOf(ModeTable("VersionedCollapsingMergeTree", "id", "", {"sign", "version"}));
  EXPECT_FALSE(collapsing.whole_rows);
  EXPECT_EQ(collapsing.sign_column, "sign");
  EXPECT_FALSE(MergeRulesOf(ModeTable("AggregatingMergeTree", "id")).whole_rows);
  EXPECT_FALSE(MergeRulesOf(ModeTable("MergeTree", "id")).merges);
}

SelectedColumn Column(const std::string& name, const std::string& expression = "") {
  SelectedColumn column;
  column.name = name;
  column.expression = expression.empty() ? "`" + name + "`" : expression;
  return column;
}

TEST(SourceSelect, CancelledRowsAreNoRows) {
  const Cursor cursor{"ts", 3, true, false};
  const std::string rows =
      SelectRows(ModeTable("CollapsingMergeTree", "id", "", {"sign"}), {Column("id")}, Window{std::nullopt, 0}, cursor);
  EXPECT_THAT(rows, HasSubstr(" FINAL WHERE "));
  EXPECT_THAT(rows, ::testing::EndsWith(" AND _t.`sign` > 0"));
}

TEST(SourceSelect, DeletedKeysAreLookedForWhereTheyMayLive) {
  const Cursor cursor{"ts", 3, true, false};
  const Window window{0, 1'000'000};
  const auto table = ModeTable("ReplacingMergeTree", "id", "", {"version", "gone"});
  const std::string at_its_time =
      SelectDeletedKeys(table, {Column("id", "toString(`id`)"), Column("ts")}, window, cursor);
  EXPECT_THAT(at_its_time,
              ::testing::StartsWith("SELECT toString(`id`) AS `id`, `ts` FROM (SELECT DISTINCT `id`, `ts` FROM"));
  EXPECT_THAT(at_its_time, HasSubstr("FINAL WHERE _t.`ts` > "));
  const std::string anywhere = SelectDeletedKeys(table, {Column("id")}, window, cursor);
  EXPECT_THAT(anywhere, HasSubstr("FINAL WHERE (`id`) IN (SELECT `id` FROM"));
}

}  // namespace
}  // namespace calve::offload
