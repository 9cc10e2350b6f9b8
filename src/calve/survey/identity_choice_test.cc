#include "calve/survey/identity_choice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "calve/offload/mode.h"
#include "calve/survey/testing_facts.h"

namespace calve::survey {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// What is proposed has to be what offload takes.
void ExpectAccepted(const TableFacts& facts, const std::string& cursor) {
  const IdentityChoice choice = ChooseIdentity(facts, cursor);
  const auto mode = choice.mode == "append" ? offload::Mode::kAppend : offload::Mode::kAuto;
  EXPECT_TRUE(offload::ResolveIdentity(mode, facts.table, cursor, choice.key).ok()) << facts.table.name;
}

TEST(IdentityChoice, EnginesThatMerge) {
  auto facts = MakeTable("t", "ReplacingMergeTree",
                         {{"id", "UInt64"}, {"ts", "DateTime"}, {"gone", "UInt8"}, {"v", "UInt64"}}, "id, ts");
  facts.table.engine_arguments = {"v", "gone"};
  const IdentityChoice choice = ChooseIdentity(facts, "ts");
  EXPECT_EQ(choice.mode, "");
  EXPECT_THAT(choice.key, IsEmpty());
  EXPECT_THAT(choice.mode_why, AllOf(HasSubstr("upsert"), HasSubstr("(id, ts)"), HasSubstr("gone marks")));
  ExpectAccepted(facts, "ts");
  const auto by_expression = MakeTable("t", "ReplacingMergeTree", {{"ts", "DateTime"}}, "toDate(ts)");
  EXPECT_THAT(ChooseIdentity(by_expression, "ts").mode_why, HasSubstr("here append"));
  ExpectAccepted(by_expression, "ts");
}

TEST(IdentityChoice, VersionsInTwoPartitions) {
  const auto facts = MakeTable("t", "ReplacingMergeTree", {{"id", "UInt64"}, {"ts", "DateTime"}}, "id", "toYYYYMM(ts)");
  ASSERT_FALSE(offload::ResolveIdentity(offload::Mode::kAuto, facts.table, "ts", {}).ok());
  const IdentityChoice choice = ChooseIdentity(facts, "ts");
  EXPECT_THAT(choice.key, ElementsAre("id", "ts"));
  EXPECT_THAT(choice.key_why, AllOf(HasSubstr("CHECK THIS"), HasSubstr("mode: append")));
  ExpectAccepted(facts, "ts");
}

TEST(IdentityChoice, TheRowsDecideWhetherAnIdIsOne) {
  auto facts = MakeTable("trades", "MergeTree", {{"ts", "DateTime"}, {"message_id", "UUID"}}, "ts");
  EXPECT_THAT(ChooseIdentity(facts, "ts").key, IsEmpty()) << "nobody looked";
  EXPECT_THAT(ChooseIdentity(facts, "ts").key_why, HasSubstr("message_id"));
  facts.uniqueness["message_id"] = {0, 0};
  EXPECT_THAT(ChooseIdentity(facts, "ts").key, IsEmpty()) << "no row was there";
  facts.uniqueness["message_id"] = {100, 99};
  EXPECT_THAT(ChooseIdentity(facts, "ts").key, IsEmpty());
  EXPECT_THAT(ChooseIdentity(facts, "ts").key_why, HasSubstr("not unique"));
  facts.uniqueness["message_id"] = {100, 100};
  EXPECT_THAT(ChooseIdentity(facts, "ts").key, ElementsAre("message_id"));
  EXPECT_THAT(ChooseIdentity(facts, "ts").mode_why, HasSubstr("append"));
  ExpectAccepted(facts, "ts");
}

TEST(IdentityChoice, Candidates) {
  auto candidate = [](const std::string& table, const std::string& engine, Columns columns) {
    return UniqueCandidate(MakeTable(table, engine, columns, "").table);
  };
  EXPECT_EQ(candidate("events", "MergeTree", {{"user_id", "UUID"}, {"session_id", "UUID"}}), "") << "which of the two?";
  EXPECT_EQ(candidate("events", "MergeTree", {{"user_id", "UUID"}, {"event_id", "UUID"}}), "event_id");
  EXPECT_EQ(candidate("bronze_orders", "MergeTree", {{"user_id", "UUID"}, {"order_id", "UUID"}}), "order_id");
  EXPECT_EQ(candidate("events", "MergeTree", {{"user_id", "UUID"}}), "user_id") << "the rows will tell";
  EXPECT_EQ(candidate("events", "MergeTree", {{"id", "Nullable(UUID)"}}), "");
  EXPECT_EQ(candidate("events", "MergeTree", {{"id", "UInt64"}, {"token", "UUID"}}), "");
  EXPECT_EQ(candidate("events", "ReplacingMergeTree", {{"id", "UUID"}}), "") << "it has a key";
}

}  // namespace
}  // namespace calve::survey
