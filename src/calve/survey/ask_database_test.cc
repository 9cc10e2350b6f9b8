// Against answers written down; tests/interop/test_init.py asks real engines.
#include "calve/survey/ask_database.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "calve/source/testing_fake_source.h"

namespace calve::survey {
namespace {

using source::TestingFakeSource;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Rows = TestingFakeSource::Rows;

bool Asks(const std::string& sql, const char* what) { return sql.find(what) != std::string::npos; }

// A server with one table, a view and a table of another engine.
Result<Rows> Answer(const std::string& sql) {
  if (Asks(sql, "version()")) return Rows{{"26.5.1.1", "11111111-2222-4333-8444-555555555555", "1723162558342001"}};
  if (Asks(sql, "system.databases")) return Rows{{"db"}, {"default"}, {"system"}};
  if (Asks(sql, "system.parts")) return Rows{{"trades", "('a',1)"}, {"trades", "('b',1)"}};
  if (Asks(sql, "uniqExact")) return Rows{{"3", "3"}};
  if (Asks(sql, "system.columns")) return Rows{{"ts", "DateTime", "", ""}, {"id", "UUID", "", ""}};
  if (Asks(sql, "engine IN ("))
    return Rows{{"db", "v", "CREATE MATERIALIZED VIEW db.v TO db.trades AS SELECT 1 FROM db.m"}};
  if (Asks(sql, "create_table_query")) {
    return Rows{{"m", "Memory", "Memory", "", ""},
                {"trades", "MergeTree", "MergeTree ORDER BY ts", "", "raw"},
                {"v", "MaterializedView", "", "", ""}};
  }
  if (Asks(sql, "sorting_key")) return Rows{{"MergeTree", "(v, n)", "ts", "", "3", "100"}};
  return MakeError(ErrorKind::kFailed, "not expected: " + sql);
}

TEST(AskDatabase, Everything) {
  TestingFakeSource source(Answer);
  const DatabaseFacts facts = AskDatabase(source, "").ValueOrDie();
  EXPECT_EQ(facts.database, "db");
  EXPECT_TRUE(facts.is_urls);
  EXPECT_EQ(facts.server, "fake (ClickHouse 26.5.1.1)");
  ASSERT_EQ(facts.tables.size(), 1);
  const TableFacts& table = facts.tables[0];
  EXPECT_EQ(table.table.sorting_key, "ts");
  EXPECT_EQ(table.comment, "raw");
  EXPECT_EQ(table.engine_full, "MergeTree ORDER BY ts");
  EXPECT_THAT(table.partitions, ElementsAre("('a',1)", "('b',1)"));
  EXPECT_EQ(table.uniqueness.at("id").values, 3);
  EXPECT_EQ(facts.others.size(), 2);
  EXPECT_TRUE(facts.views.contains({"db", "v"}));
}

TEST(AskDatabase, WhatIsNotThere) {
  TestingFakeSource source(Answer);
  const Status missing = AskDatabase(source, "defualt").status();
  EXPECT_EQ(KindOf(missing), ErrorKind::kNotFound);
  EXPECT_THAT(RemedyOf(missing), HasSubstr("Did you mean default? There are: db, default."));
  TestingFakeSource empty(
      [](const std::string& sql) -> Result<Rows> { return Asks(sql, "create_table_query") ? Rows{} : Answer(sql); });
  const Status nothing = AskDatabase(empty, "db").status();
  EXPECT_EQ(KindOf(nothing), ErrorKind::kConfig);
  EXPECT_THAT(MessageOf(nothing), HasSubstr("database db has no table"));
}

TEST(AskDatabase, WhatOnlyHelpsIsDoneWithout) {
  TestingFakeSource source([](const std::string& sql) -> Result<Rows> {
    if (Asks(sql, "system.parts") || Asks(sql, "uniqExact")) return MakeError(ErrorKind::kConfig, "Code 497: no");
    return Answer(sql);
  });
  const DatabaseFacts facts = AskDatabase(source, "db").ValueOrDie();
  EXPECT_TRUE(facts.tables.at(0).partitions.empty());
  EXPECT_TRUE(facts.tables.at(0).uniqueness.empty());
  TestingFakeSource lost([](const std::string& sql) -> Result<Rows> {
    if (Asks(sql, "uniqExact")) return MakeError(ErrorKind::kRetry, "lost");
    return Answer(sql);
  });
  EXPECT_EQ(KindOf(AskDatabase(lost, "db").status()), ErrorKind::kRetry);
}

TEST(AskDatabase, ATableThatIsGoneStopsNothing) {
  TestingFakeSource source([](const std::string& sql) -> Result<Rows> {
    if (Asks(sql, "system.columns") || Asks(sql, "DESCRIBE")) return Rows{};
    if (Asks(sql, "sorting_key")) return Rows{};
    if (Asks(sql, "SELECT name FROM system.tables") || Asks(sql, "SELECT database FROM system.tables")) return Rows{};
    return Answer(sql);
  });
  const DatabaseFacts facts = AskDatabase(source, "db").ValueOrDie();
  EXPECT_TRUE(facts.tables.empty());
  ASSERT_EQ(facts.others.size(), 3);
  EXPECT_THAT(facts.others[1].problem, HasSubstr("trades"));
}

TEST(AskDatabase, OlderServersHaveNoComments) {
  TestingFakeSource source([](const std::string& sql) -> Result<Rows> {
    if (Asks(sql, "create_table_query, comment")) return MakeError(ErrorKind::kConfig, "Code 47: no such column");
    return Answer(sql);
  });
  EXPECT_EQ(AskDatabase(source, "db").ValueOrDie().tables.size(), 1);
}

}  // namespace
}  // namespace calve::survey
