#include "calve/offload/hot_parts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "calve/offload/testing_tables.h"
#include "calve/source/testing_fake_source.h"

namespace calve::offload {
namespace {

using source::TestingFakeSource;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

const Cursor kCursor{"ts", 3, true, false};

HotPart Part(const std::string& name, const std::string& partition) {
  HotPart part;
  part.name = name;
  part.partition_id = partition;
  part.first = 1'000'000;
  part.last = 2'000'000;
  return part;
}

source::SourceTable Table(const std::string& partition_key, const std::string& sorting_key) {
  source::SourceTable table = MakeSourceTable({{"ts", "DateTime64(3)"}, {"exchange", "String"}, {"id", "UInt64"}});
  table.partition_key = partition_key;
  table.sorting_key = sorting_key;
  return table;
}

TEST(SharedKeyQueries, ByPartitionWhereItFollowsFromTheKey) {
  const std::vector<HotPart> all = {Part("a_1", "a"), Part("a_2", "a"), Part("b_1", "b"), Part("c_1", "c"),
                                    Part("c_2", "c")};
  const std::vector<HotPart> old = {all[0], all[2]};
  // Only the partition in which a part could share a key with another.
  auto queries = SharedKeyQueries(Table("exchange, toYYYYMMDD(ts)", "exchange, `ts`, id"), kCursor, all, old);
  ASSERT_THAT(queries, SizeIs(1));
  EXPECT_THAT(queries[0], HasSubstr("_t._partition_id = 'a'"));
  EXPECT_THAT(queries[0], HasSubstr("cityHash64(exchange, `ts`, id)"));
  EXPECT_THAT(queries[0], HasSubstr("_t.`ts` <= ")) << "rows of one key have one time";
  queries = SharedKeyQueries(Table("", "id"), kCursor, all, old);
  ASSERT_THAT(queries, SizeIs(1));
  EXPECT_THAT(queries[0], Not(HasSubstr("_t.`ts`"))) << "a newer version may be at any time";
}

TEST(SharedKeyQueries, TheWholeTableWhereItDoesNot) {
  const std::vector<HotPart> all = {Part("a_1", "a"), Part("b_1", "b")};
  for (const auto& table : {Table("toYYYYMM(ts)", "id"), Table("ts", "toDate(ts), id"), Table("`exchange`", "id")}) {
    auto queries = SharedKeyQueries(table, kCursor, all, {all[0]});
    ASSERT_THAT(queries, SizeIs(1)) << table.partition_key;
    EXPECT_THAT(queries[0], Not(HasSubstr("_partition_id")));
  }
  EXPECT_THAT(SharedKeyQueries(Table("ts", "id"), kCursor, all, {}), IsEmpty());
  EXPECT_THAT(SharedKeyQueries(Table("ts", "id"), kCursor, {all[0]}, {all[0]}), IsEmpty());
}

TEST(SharedKeyQueries, WithoutASortingKeyAllRowsHaveTheSame) {
  const std::vector<HotPart> all = {Part("a_1", "all"), Part("a_2", "all")};
  auto queries = SharedKeyQueries(Table("", ""), kCursor, all, {all[0]});
  ASSERT_THAT(queries, SizeIs(1));
  EXPECT_THAT(queries[0], HasSubstr("cityHash64(1)"));
}

TEST(CheckNothingIsPending, NamesTheMutation) {
  TestingFakeSource source([](const std::string& sql) -> Result<TestingFakeSource::Rows> {
    if (sql.find("system.mutations") != std::string::npos) {
      return TestingFakeSource::Rows{{"mutation_7.txt", "DELETE WHERE id = 1", "no space"}};
    }
    return TestingFakeSource::Rows{};
  });
  Status status = CheckNothingIsPending(source, Table("", "id"));
  EXPECT_EQ(KindOf(status), ErrorKind::kRetry);
  EXPECT_THAT(MessageOf(status), HasSubstr("mutation_7.txt DELETE WHERE id = 1 (it fails: no space)"));
}

TEST(CheckNothingIsPending, NamesAPatch) {
  TestingFakeSource source([](const std::string& sql) -> Result<TestingFakeSource::Rows> {
    if (sql.find("'patch-'") != std::string::npos) return TestingFakeSource::Rows{{"patch-1-all_1_1_0"}};
    return TestingFakeSource::Rows{};
  });
  EXPECT_THAT(MessageOf(CheckNothingIsPending(source, Table("", "id"))), HasSubstr("patch-1-all_1_1_0"));
}

TEST(ListHotParts, JoinsWhatClickHouseTellsAndWhatIsRead) {
  TestingFakeSource source([](const std::string& sql) -> Result<TestingFakeSource::Rows> {
    if (sql.find("system.parts") != std::string::npos) {
      return TestingFakeSource::Rows{{"a", "p", "1", "4", "10", "700", "1"},
                                     {"b", "p", "5", "5", "3", "70", "0"},
                                     {"c", "p", "6", "6", "1", "7", "0"}};
    }
    if (sql.find("NULL") == std::string::npos && sql.find("min(") == std::string::npos) {
      return TestingFakeSource::Rows{{"a", "10"}};
    }
    return TestingFakeSource::Rows{{"a", "2024-08-09 00:00:00.000", "2024-08-09 01:00:00.000", "8", "0", "1"},
                                   {"b", "", "", "3", "3", ""},
                                   {"new", "2024-08-09 00:00:00.000", "2024-08-09 01:00:00.000", "8", "0", "1"}};
  });
  const auto parts = ListHotParts(source, Table("", "id"), kCursor, 0, {}).ValueOrDie();
  ASSERT_THAT(parts, SizeIs(3));
  const HotPart& a = parts[2];
  EXPECT_EQ(a.name, "a");
  EXPECT_EQ(a.block_max, 4);
  EXPECT_EQ(a.rows_seen, 8);
  EXPECT_EQ(a.rows_allowed, 10);
  EXPECT_TRUE(a.old);
  EXPECT_EQ(a.last - a.first, 3'600 * kMicrosPerSecond);
  EXPECT_EQ(parts[0].rows_null_cursor, 3);
  EXPECT_FALSE(parts[0].old);
  EXPECT_EQ(parts[1].rows_seen, 0);
}

TEST(ListHotParts, AServerWithoutLightweightDeletes) {
  int asked = 0;
  TestingFakeSource source([&](const std::string& sql) -> Result<TestingFakeSource::Rows> {
    if (sql.find("has_lightweight_delete") != std::string::npos) {
      return MakeError(ErrorKind::kConfig, "fake: Code 47: Missing columns: 'has_lightweight_delete'");
    }
    ++asked;
    if (sql.find("system.parts") != std::string::npos)
      return TestingFakeSource::Rows{{"a", "p", "1", "4", "10", "99", "0"}};
    return TestingFakeSource::Rows{{"a", "2024-08-09 00:00:00.000", "2024-08-09 01:00:00.000", "8", "0", "1"}};
  });
  const auto parts = ListHotParts(source, Table("", "id"), kCursor, 0, {}).ValueOrDie();
  ASSERT_THAT(parts, SizeIs(1));
  EXPECT_EQ(parts[0].rows_hidden(), 2) << "deleted or hidden: nobody can tell";
  EXPECT_EQ(asked, 2);
}

TEST(CheckColumnsAreSeen, RefusesWhereSomeAreHidden) {
  Result<TestingFakeSource::Rows> described = TestingFakeSource::Rows{};
  for (const source::SourceColumn& column : Table("", "id").columns) described->push_back({column.name, "x"});
  TestingFakeSource source([&](const std::string&) { return described; });
  EXPECT_TRUE(CheckColumnsAreSeen(source, Table("", "id")).ok());
  described->push_back({"secret", "String"});
  const Status hidden = CheckColumnsAreSeen(source, Table("", "id"));
  EXPECT_EQ(KindOf(hidden), ErrorKind::kConfig);
  EXPECT_NE(MessageOf(hidden).find("(secret)"), std::string::npos);
  described = MakeError(ErrorKind::kConfig, "fake: Code 497: Not enough privileges");
  EXPECT_EQ(KindOf(CheckColumnsAreSeen(source, Table("", "id"))), ErrorKind::kConfig);
  described = MakeError(ErrorKind::kRetry, "lost");
  EXPECT_EQ(KindOf(CheckColumnsAreSeen(source, Table("", "id"))), ErrorKind::kRetry);
}

TEST(AskPartState, ByTheBlocksThatAreStillThere) {
  std::vector<std::string> active;
  TestingFakeSource source([&](const std::string&) -> Result<TestingFakeSource::Rows> {
    TestingFakeSource::Rows rows;
    for (const auto& name : active) rows.push_back({name});
    return rows;
  });
  const HotPart part = Part("all_1_1_0", "all");
  EXPECT_EQ(AskPartState(source, Table("", "id"), part).ValueOrDie(), PartState::kDropped);
  active = {"all_1_3_1"};
  EXPECT_EQ(AskPartState(source, Table("", "id"), part).ValueOrDie(), PartState::kMerged);
  active = {"all_1_1_0"};
  EXPECT_EQ(AskPartState(source, Table("", "id"), part).ValueOrDie(), PartState::kActive);
}

}  // namespace
}  // namespace calve::offload
