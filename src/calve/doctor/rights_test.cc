// Against answers written down; tests/interop/test_rights.py asks real engines.
#include "calve/doctor/rights.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "calve/source/testing_fake_source.h"

namespace calve::doctor {
namespace {

using source::TestingFakeSource;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Rows = TestingFakeSource::Rows;

source::SourceTable Trades(const std::string& engine = "MergeTree") {
  source::SourceTable table;
  table.database = "k2";
  table.name = "trades";
  table.engine = engine;
  return table;
}

std::vector<std::string> Privileges(const std::vector<NeededRight>& rights) {
  std::vector<std::string> texts;
  for (const NeededRight& right : rights) texts.push_back(right.privilege);
  return texts;
}

TEST(RightsNeeded, AreThoseOfWhatTheConfigurationHasItDo) {
  config::TableConfig table;
  EXPECT_THAT(Privileges(RightsNeeded(Trades(), table, false)),
              ElementsAre("SELECT ON `k2`.`trades`", "SELECT ON system.parts"));
  EXPECT_THAT(Privileges(RightsNeeded(Trades("Distributed"), table, true)), ElementsAre("SELECT ON `k2`.`trades`"));
  EXPECT_THAT(Privileges(RightsNeeded(Trades(), table, true)),
              ElementsAre("SELECT ON `k2`.`trades`", "SELECT ON system.parts", "ALTER DELETE ON `k2`.`trades`",
                          "SELECT ON system.mutations"));
  table.lookback_micros = 0;
  table.view = "`archive`.trades_all";
  EXPECT_THAT(Privileges(RightsNeeded(Trades(), table, false)),
              ElementsAre("SELECT ON `k2`.`trades`", "SELECT ON `archive`.*", "INSERT ON `archive`.*",
                          "CREATE TABLE ON `archive`.*", "DROP TABLE ON `archive`.*", "READ ON FILE"));
  table.view = "trades_all";
  EXPECT_THAT(Privileges(RightsNeeded(Trades(), table, false))[1], "SELECT ON `k2`.*");
  source::SourceTable query = Trades("");
  query.query = "SELECT 1";
  table.view = "";
  EXPECT_THAT(RightsNeeded(query, table, true), IsEmpty());
}

std::vector<Finding> Check(const std::vector<NeededRight>& rights,
                           const std::function<Result<Rows>(const std::string&)>& grant,
                           const std::string& read_only = "0") {
  TestingFakeSource source([&](const std::string& sql) -> Result<Rows> {
    if (sql.find("readonly") != std::string::npos) return Rows{{read_only}};
    if (sql.find("currentUser") != std::string::npos) return Rows{{"calve"}};
    EXPECT_EQ(sql.find("CHECK GRANT "), 0u) << sql;
    return grant(sql.substr(12));
  });
  return CheckRights("table trades", source, rights);
}

TEST(CheckRights, WhatIsMissingIsNamedWithItsGrant) {
  const std::vector<NeededRight> rights = {{"SELECT ON a.b", "nothing is read"},
                                           {"ALTER DELETE ON a.b", "no part can be dropped", Level::kError, true}};
  EXPECT_THAT(Check(rights, [](const std::string&) { return Rows{{"1"}}; }), IsEmpty());
  const auto found =
      Check(rights, [](const std::string& of) { return Rows{{of == "ALTER DELETE ON a.b" ? "0" : "1"}}; });
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].level, Level::kError);
  EXPECT_EQ(found[0].message, "calve has no right to ALTER DELETE ON a.b: no part can be dropped");
  EXPECT_THAT(found[0].remedy, HasSubstr("GRANT ALTER DELETE ON a.b TO calve"));
}

TEST(CheckRights, AReadOnlyUserIsNotAskedForWhatWrites) {
  const std::vector<NeededRight> rights = {{"ALTER DELETE ON a.b", "no part can be dropped", Level::kError, true}};
  const auto found = Check(
      rights, [](const std::string&) { return Rows{{"1"}}; }, "2");
  ASSERT_EQ(found.size(), 1u);
  EXPECT_THAT(found[0].message, HasSubstr("reads only (readonly = 2): no part can be dropped"));
}

TEST(CheckRights, AnOldServerDoesNotTell) {
  const auto refuses = [](const std::string&) -> Result<Rows> {
    return MakeError(ErrorKind::kConfig, "Code 62: Syntax error");
  };
  EXPECT_THAT(Check({{"SELECT ON a.b", "nothing is read"}}, refuses), IsEmpty()) << "a dry run tries that";
  const auto found =
      Check({{"X ON a.b", "x", Level::kWarning, true}, {"Y ON a.b", "y", Level::kWarning, true}}, refuses);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].level, Level::kOk);
  EXPECT_THAT(found[0].message, HasSubstr("is not known: this server has no CHECK GRANT"));
}

TEST(CheckRights, AnOlderSpellingIsTried) {
  const std::vector<NeededRight> rights = {{"READ ON FILE", "no view", Level::kWarning, true, "FILE ON *.*"}};
  const auto found = Check(rights, [](const std::string& of) -> Result<Rows> {
    if (of == "READ ON FILE") return MakeError(ErrorKind::kConfig, "Code 62: Syntax error");
    EXPECT_EQ(of, "FILE ON *.*");
    return Rows{{"0"}};
  });
  EXPECT_EQ(found.size(), 1u);
}

TEST(CheckRowPolicies, APlanThatFiltersIsAWarning) {
  for (const bool filters : {false, true}) {
    TestingFakeSource source([&](const std::string& sql) -> Result<Rows> {
      EXPECT_EQ(sql, "EXPLAIN actions = 1 SELECT * FROM `k2`.`trades`");
      return Rows{{"ReadFromMergeTree (k2.trades)"}, {filters ? "    Row level filter" : "  Parts: 1"}};
    });
    const auto found = CheckRowPolicies("table trades", source, Trades());
    EXPECT_EQ(found.size(), filters ? 1u : 0u);
  }
  TestingFakeSource old(
      [](const std::string&) -> Result<Rows> { return MakeError(ErrorKind::kConfig, "Code 62: no"); });
  EXPECT_THAT(CheckRowPolicies("table trades", old, Trades()), IsEmpty());
}

}  // namespace
}  // namespace calve::doctor
