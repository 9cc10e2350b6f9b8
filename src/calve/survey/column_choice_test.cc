#include "calve/survey/column_choice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "calve/survey/testing_facts.h"

namespace calve::survey {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Remedy = ColumnChoice::Remedy;

TEST(ColumnChoice, WhatFitsIsLeftAlone) {
  const auto facts = MakeTable("t", "MergeTree",
                               {{"a", "UInt64"},
                                {"b", "Array(Nullable(String))"},
                                {"c", "Map(String, Decimal(18, 4))"},
                                {"d", "AggregateFunction(count)"},
                                {"e", "JSON"},
                                {"ts", "DateTime64(6)"},
                                {"f", "UUID"}},
                               "ts");
  EXPECT_TRUE(ChooseColumns(facts.table, "ts").empty());
}

TEST(ColumnChoice, ARemedyForEachThatDoesNot) {
  const auto facts = MakeTable("t", "MergeTree",
                               {{"ts", "DateTime64(9)"},
                                {"sent", "DateTime64(9, 'UTC')"},
                                {"it's `x`", "IntervalDay"},
                                {"list", "Array(DateTime64(7))"},
                                {"states", "Array(AggregateFunction(sum, Int8))"},
                                {"none", "Tuple()"},
                                {"new", "QBit(Float32, 8)"}},
                               "ts");
  const auto choices = ChooseColumns(facts.table, "ts");
  ASSERT_EQ(choices.size(), 7);
  EXPECT_EQ(choices[0].text, "timestamptz") << "a cursor stays a time";
  EXPECT_EQ(choices[0].remedy, Remedy::kType);
  EXPECT_EQ(choices[1].text, "toUnixTimestamp64Nano(`sent`)") << "others lose nothing";
  EXPECT_EQ(choices[2].text, "toString(`it's ``x```)");
  EXPECT_EQ(choices[3].text, "toString(`list`)");
  for (size_t i = 4; i < 7; ++i) EXPECT_EQ(choices[i].remedy, Remedy::kExclude) << choices[i].column;
  for (const ColumnChoice& choice : choices) EXPECT_THAT(choice.why, HasSubstr(choice.column));
}

TEST(ColumnChoice, WhatIsNotStoredDoesNotMatter) {
  auto facts = MakeTable("t", "MergeTree", {{"ts", "DateTime"}, {"x", "IntervalDay"}, {"n", "UInt64"}}, "ts");
  for (auto& column : facts.table.columns) column.default_kind = "ALIAS";
  EXPECT_TRUE(ChooseColumns(facts.table, "ts").empty());
  EXPECT_TRUE(CheckedColumns(facts.table).empty());
}

TEST(ColumnChoice, ValuesThatAreChecked) {
  const auto facts = MakeTable("t", "MergeTree",
                               {{"a", "UInt64"},
                                {"b", "Nullable(UInt64)"},
                                {"c", "Int64"},
                                {"d", "SimpleAggregateFunction(sum, UInt64)"},
                                {"e", "UInt32"}},
                               "a");
  EXPECT_THAT(CheckedColumns(facts.table), ElementsAre("a", "b", "d"));
}

}  // namespace
}  // namespace calve::survey
