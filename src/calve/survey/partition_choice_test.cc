#include "calve/survey/partition_choice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "calve/survey/testing_facts.h"

namespace calve::survey {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const Columns kColumns = {{"ts", "DateTime"},         {"day", "Date"},    {"venue", "LowCardinality(String)"},
                          {"side", "Enum8('a' = 1)"}, {"name", "String"}, {"n", "UInt8"}};

std::vector<std::string> Terms(const std::string& partition_key, const std::vector<std::string>& partitions = {},
                               const std::string& engine = "MergeTree", std::optional<int64_t> rows = std::nullopt) {
  auto facts = MakeTable("t", engine, kColumns, "ts", partition_key);
  facts.partitions = partitions;
  facts.table.total_rows = rows;
  return ChoosePartitions(facts, "ts", {}).terms;
}

TEST(PartitionChoice, DaysOrMonths) {
  EXPECT_THAT(Terms(""), ElementsAre("days(ts)"));
  EXPECT_THAT(Terms("toYYYYMM(ts)"), ElementsAre("months(ts)"));
  EXPECT_THAT(Terms("toStartOfMonth(day)"), ElementsAre("months(ts)"));
  EXPECT_THAT(Terms("toMonday(ts)"), ElementsAre("days(ts)"));
  EXPECT_THAT(Terms("day", {}, "MergeTree", 10), ElementsAre("days(ts)")) << "ClickHouse's own key comes first";
  EXPECT_THAT(Terms("", {}, "MergeTree", 10), ElementsAre("months(ts)"));
  EXPECT_THAT(Terms("", {}, "MergeTree", 0), ElementsAre("days(ts)")) << "an empty table says nothing";
  EXPECT_THAT(Terms("", {}, "MergeTree", 10'000'000), ElementsAre("days(ts)"));
  EXPECT_THAT(Terms("", {}, "AggregatingMergeTree"), ElementsAre("months(ts)"));
  EXPECT_THAT(Terms("", {}, "ReplacingMergeTree"), ElementsAre("days(ts)"));
  EXPECT_THAT(Terms("toYYYYMM(n)"), ElementsAre("days(ts)")) << "of no time";
}

TEST(PartitionChoice, ColumnsOfFewValues) {
  EXPECT_THAT(Terms("(venue, side, name, toYYYYMMDD(ts))"), ElementsAre("days(ts)", "venue", "side"))
      << "by type, where no part tells";
  EXPECT_THAT(Terms("(venue, name)", {"('a','x, y')", "('a','z')"}), ElementsAre("days(ts)", "name"))
      << "by value: venue has one alone";
  EXPECT_THAT(Terms("name", {"a", "b, c", "('d')"}), ElementsAre("days(ts)", "name"));
  std::vector<std::string> many;
  for (int i = 0; i < 65; ++i) many.push_back(std::to_string(i));
  EXPECT_THAT(Terms("venue", many), ElementsAre("days(ts)"));
  many.pop_back();
  EXPECT_THAT(Terms("venue", many), ElementsAre("days(ts)", "venue"));
  EXPECT_THAT(Terms("(ts, day, sipHash64(venue))"), ElementsAre("days(ts)"));
}

TEST(PartitionChoice, OnlyWhatIcebergTakes) {
  const auto taken = MakeTable("t", "MergeTree", {{"ts", "DateTime"}, {"ts_day", "Date"}}, "ts");
  EXPECT_THAT(ChoosePartitions(taken, "ts", {}).terms, ElementsAre("months(ts)")) << "ts_day is a column";
  const auto both = MakeTable("t", "MergeTree", {{"ts", "DateTime"}, {"ts_day", "Date"}, {"ts_month", "Date"}}, "ts");
  EXPECT_THAT(ChoosePartitions(both, "ts", {}).terms, IsEmpty());
  const auto odd = MakeTable("t", "MergeTree", {{"the time", "DateTime"}, {"a(b", "Bool"}, {"lst", "Array(String)"}},
                             "", "(`a(b`, lst)");
  EXPECT_THAT(ChoosePartitions(odd, "the time", {}).terms, ElementsAre("days(`the time`)", "`a(b`"));
  const auto comma = MakeTable("t", "MergeTree", {{"a,b", "DateTime"}}, "");
  EXPECT_THAT(ChoosePartitions(comma, "a,b", {}).terms, IsEmpty());
  const auto unlike = MakeTable("t", "MergeTree", {{"ts", "DateTime"}, {"v", "Bool"}}, "ts", "v");
  EXPECT_THAT(ChoosePartitions(unlike, "ts", {"v"}).terms, ElementsAre("days(ts)"));
}

TEST(PartitionChoice, ValuesInPartitions) {
  EXPECT_EQ(ValuesOfElement({"('a',1)", "('b',1)", "('a',2)"}, 2, 0), 2);
  EXPECT_EQ(ValuesOfElement({"('a',1)", "('b',1)"}, 2, 1), 1);
  EXPECT_EQ(ValuesOfElement({"('a')',(',1)"}, 2, 0), 1);
  EXPECT_EQ(ValuesOfElement({"('a',1)"}, 3, 0), std::nullopt);
  EXPECT_EQ(ValuesOfElement({}, 2, 0), std::nullopt);
}

}  // namespace
}  // namespace calve::survey
