#include "calve/source/table_identity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "calve/source/testing_fake_source.h"

namespace calve::source {
namespace {

using ::testing::HasSubstr;
using Rows = TestingFakeSource::Rows;

SourceTable TableOf(const std::string& engine, const std::string& uuid) {
  SourceTable table;
  table.database = "d'b", table.name = "t", table.engine = engine, table.uuid = uuid;
  return table;
}

TEST(TableIdentity, OfAMergeTreeItsUuidAndOfReplicasTheirPath) {
  TestingFakeSource source([](const std::string&) { return Rows{{"/tables/1/t"}}; });
  const auto local = IdentityOf(source, TableOf("ReplacingMergeTree", "u-1")).ValueOrDie();
  EXPECT_EQ(local.answer, "u-1");
  EXPECT_THAT(local.query, HasSubstr("toString(uuid) FROM system.tables WHERE database = 'd\\'b' AND name = 't'"));
  EXPECT_TRUE(source.asked.empty()) << "it is known already";
  const auto replicated = IdentityOf(source, TableOf("ReplicatedMergeTree", "u-1")).ValueOrDie();
  EXPECT_EQ(replicated.answer, "/tables/1/t");
  EXPECT_THAT(replicated.query, HasSubstr("zookeeper_path FROM system.replicas"));
}

TEST(TableIdentity, NothingWhereNothingTells) {
  TestingFakeSource denied(
      [](const std::string&) -> Result<Rows> { return MakeError(ErrorKind::kConfig, "Code 497: not for you"); });
  TestingFakeSource away([](const std::string&) -> Result<Rows> { return MakeError(ErrorKind::kRetry, "away"); });
  EXPECT_EQ(IdentityOf(denied, TableOf("MergeTree", ""))->query, "");
  EXPECT_EQ(IdentityOf(denied, TableOf("Distributed", "u-1"))->query, "");
  EXPECT_EQ(IdentityOf(denied, TableOf("View", "u-1"))->query, "");
  EXPECT_EQ(IdentityOf(denied, TableOf("ReplicatedMergeTree", "u-1"))->query, "");
  EXPECT_EQ(KindOf(IdentityOf(away, TableOf("ReplicatedMergeTree", "u-1")).status()), ErrorKind::kRetry);
  SourceTable query = TableOf("MergeTree", "u-1");
  query.query = "SELECT 1";
  EXPECT_EQ(IdentityOf(denied, query)->query, "");
  EXPECT_TRUE(CheckIdentity(denied, {}, "db.t").ok());
}

TEST(TableIdentity, AnotherTableOfThatNameIsRefused) {
  Rows has = {{"u-1"}};
  TestingFakeSource source([&](const std::string&) { return has; });
  const TableIdentity identity{"SELECT …", "u-1"};
  EXPECT_TRUE(CheckIdentity(source, identity, "db.t").ok());
  has = {{"u-2"}};
  const Status other = CheckIdentity(source, identity, "db.t");
  EXPECT_EQ(KindOf(other), ErrorKind::kConfig);
  EXPECT_THAT(MessageOf(other), HasSubstr("the table db.t (u-1), and fake has another one of that name (u-2)"));
  EXPECT_THAT(RemedyOf(other), HasSubstr("--source"));
  has = {};
  EXPECT_THAT(MessageOf(CheckIdentity(source, identity, "db.t")), HasSubstr("does not show it"));
  TestingFakeSource away([](const std::string&) -> Result<Rows> { return MakeError(ErrorKind::kRetry, "away"); });
  EXPECT_EQ(KindOf(CheckIdentity(away, identity, "db.t")), ErrorKind::kRetry);
}

}  // namespace
}  // namespace calve::source
