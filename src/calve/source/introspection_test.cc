// Against answers written down; chdb_source_test.cc asks a real engine.
#include "calve/source/introspection.h"

#include <gtest/gtest.h>

#include "calve/source/testing_fake_source.h"

namespace calve::source {
namespace {

using Rows = TestingFakeSource::Rows;

bool Asks(const std::string& sql, const char* what) { return sql.find(what) != std::string::npos; }
Status Exception(int code) { return MakeError(ErrorKind::kConfig, "fake: Code " + std::to_string(code) + ": no"); }

TEST(IntrospectionTest, AskServer) {
  TestingFakeSource source([](const std::string&) {
    return Rows{{"26.5.1.1", "00000000-0000-0000-0000-000000000000", "1723162558342001"}};
  });
  const auto info = AskServer(source).ValueOrDie();
  EXPECT_EQ(info.version, "26.5.1.1");
  EXPECT_EQ(info.major, 26);
  EXPECT_EQ(info.minor, 5);
  EXPECT_EQ(info.uuid, "");
  EXPECT_EQ(info.now, 1723162558342001);
  EXPECT_EQ(source.asked.size(), 1);
}

TEST(IntrospectionTest, AnOldServerIsAskedMoreSimply) {
  TestingFakeSource source([](const std::string& sql) -> Result<Rows> {
    if (Asks(sql, "serverUUID")) return Exception(46);
    return Rows{{"18.16.1", "", "1723162558000000"}};
  });
  const auto info = AskServer(source).ValueOrDie();
  EXPECT_EQ(info.major, 18);
  EXPECT_EQ(info.minor, 16);
  EXPECT_EQ(info.now, 1723162558000000);
}

TEST(IntrospectionTest, WhatIsNoAnswerOfClickHouse) {
  for (const Rows& rows :
       {Rows{}, Rows{{"MySQL", "", "1"}}, Rows{{"26.5", "", "soon"}}, Rows{{"", "", ""}}, Rows{{"26", "", "1"}}}) {
    TestingFakeSource source([&](const std::string&) { return rows; });
    EXPECT_EQ(KindOf(AskServer(source).status()), ErrorKind::kCorrupt);
  }
  TestingFakeSource lost([](const std::string&) -> Result<Rows> { return MakeError(ErrorKind::kRetry, "lost"); });
  EXPECT_EQ(KindOf(AskServer(lost).status()), ErrorKind::kRetry);
}

TEST(IntrospectionTest, ColumnsThatAnEngineIsTold) {
  using Names = std::vector<std::string>;
  EXPECT_EQ(EngineColumns("ReplacingMergeTree(_version, is_deleted) PARTITION BY (a, b) ORDER BY c"),
            (Names{"_version", "is_deleted"}));
  EXPECT_EQ(
      EngineColumns("ReplicatedVersionedCollapsingMergeTree('/t/{uuid}(x, y)', '{replica}', sign, `the version`)"),
      (Names{"sign", "the version"}));
  EXPECT_EQ(EngineColumns("ReplacingMergeTree ORDER BY (a, b)"), Names{});
  EXPECT_EQ(EngineColumns("ReplacingMergeTree() ORDER BY (a, b)"), Names{});
  EXPECT_EQ(EngineColumns("ReplicatedReplacingMergeTree('/it\\'s, x', 'r') ORDER BY a"), Names{});
  EXPECT_EQ(EngineColumns(""), Names{});
}

TEST(IntrospectionTest, ATableOfAnOldServer) {
  TestingFakeSource source([](const std::string& sql) -> Result<Rows> {
    if (Asks(sql, "uuid")) return Exception(47);
    if (Asks(sql, "system.tables")) return Rows{{"MergeTree", "d", "a, b", "", "", ""}};
    EXPECT_TRUE(Asks(sql, "database = 'db' AND table = 'it\\'s'")) << sql;
    return Rows{{"a", "UInt8", "", "first"}, {"b", "SomethingNew(3)", "ALIAS", ""}};
  });
  const auto table = DescribeTable(source, "it's").ValueOrDie();
  EXPECT_EQ(table.engine, "MergeTree");
  EXPECT_EQ(table.partition_key, "d");
  EXPECT_EQ(table.sorting_key, "a, b");
  EXPECT_EQ(table.uuid, "");
  EXPECT_EQ(table.total_rows, std::nullopt);
  ASSERT_EQ(table.columns.size(), 2);
  EXPECT_EQ(table.columns[0].comment, "first");
  EXPECT_EQ(table.columns[1].type.text, "SomethingNew(3)");  // no reason to refuse the table
  EXPECT_EQ(table.columns[1].default_kind, "ALIAS");
}

TEST(IntrospectionTest, ADistributedTableHasTheKeysOfWhatIsBehindIt) {
  std::string behind = "ReplacingMergeTree";
  TestingFakeSource source([&](const std::string& sql) -> Result<Rows> {
    const bool local = Asks(sql, "database = 'shard' AND name = 'local'");
    if (Asks(sql, "engine_full")) {
      return Rows{
          {local ? "ReplacingMergeTree(version) ORDER BY a" : "Distributed('c', 'shard', 'local', sipHash64(a))"}};
    }
    if (Asks(sql, "system.columns")) return Rows{{"a", "UInt8", "", ""}};
    if (!local) return Rows{{"Distributed", "", "", "", "7", "8"}};
    return behind.empty() ? Rows{} : Rows{{behind, "d", "a", "", "", ""}};
  });
  auto table = DescribeTable(source, "all").ValueOrDie();
  EXPECT_EQ(table.engine, "Distributed");
  EXPECT_EQ(table.merging_engine(), "ReplacingMergeTree");
  EXPECT_EQ(table.engine_arguments, std::vector<std::string>{"version"});
  EXPECT_EQ(table.sorting_key, "a");
  EXPECT_EQ(table.partition_key, "d");
  EXPECT_EQ(table.sharding_key, "sipHash64(a)");
  EXPECT_EQ(table.total_rows, 7);
  for (const char* engine : {"", "Memory"}) {  // not here, or not one that keeps rows
    behind = engine;
    table = DescribeTable(source, "all").ValueOrDie();
    EXPECT_EQ(table.merging_engine(), "Distributed");
    EXPECT_EQ(table.sorting_key, "");
  }
}

TEST(IntrospectionTest, DescribeWhereSystemTablesMayNotBeRead) {
  TestingFakeSource source([](const std::string& sql) -> Result<Rows> {
    if (Asks(sql, "system.")) return Exception(497);
    EXPECT_EQ(sql, "DESCRIBE TABLE `x`.`t`");
    return Rows{{"a", "UInt8", "", "", "comment", "", ""}};
  });
  const auto table = DescribeTable(source, "x.t").ValueOrDie();
  EXPECT_EQ(table.engine, "");
  ASSERT_EQ(table.columns.size(), 1);
  EXPECT_EQ(table.columns[0].comment, "comment");
}

TEST(IntrospectionTest, ErrorsAreNotTakenForAbsence) {
  for (const char* failing : {"system.tables", "system.columns", "DESCRIBE"}) {
    TestingFakeSource source([&](const std::string& sql) -> Result<Rows> {
      if (Asks(sql, failing)) return MakeError(ErrorKind::kRetry, "lost");
      return Rows{};
    });
    EXPECT_EQ(KindOf(DescribeTable(source, "t").status()), ErrorKind::kRetry) << failing;
  }
}

TEST(IntrospectionTest, ATablesNameWithoutItsDatabase) {
  EXPECT_EQ(BareTableName("t"), "t");
  EXPECT_EQ(BareTableName("db.t"), "t");
  EXPECT_EQ(BareTableName("`d.b`.`t.x`"), "t.x");
  EXPECT_EQ(BareTableName("a.b.c"), "a.b.c");
}

TEST(IntrospectionTest, Quotes) {
  EXPECT_EQ(QuoteIdentifier("a"), "`a`");
  EXPECT_EQ(QuoteIdentifier("a`b\\"), "`a``b\\\\`");
  EXPECT_EQ(QuoteString("it's \\"), "'it\\'s \\\\'");
}

}  // namespace
}  // namespace calve::source
