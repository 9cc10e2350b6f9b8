#include "calve/survey/cursor_choice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "calve/base/time.h"
#include "calve/offload/window.h"
#include "calve/survey/testing_facts.h"

namespace calve::survey {
namespace {

using ::testing::HasSubstr;

TEST(CursorChoice, TheSortingKeyDecides) {
  const auto facts = MakeTable(
      "t", "MergeTree", {{"inserted", "DateTime"}, {"a", "String"}, {"ts", "DateTime64(3)"}, {"later", "DateTime"}},
      "a, ts, later", "toDate(inserted)");
  const CursorChoice choice = ChooseCursor(facts.table);
  EXPECT_EQ(choice.timestamp, "ts");
  EXPECT_TRUE(choice.is_certain);
  EXPECT_THAT(choice.why, HasSubstr("sorting key (a, ts, later)"));
  EXPECT_TRUE(offload::ResolveCursor(facts.table, choice.timestamp).ok());
}

TEST(CursorChoice, AlsoInsideOfAnExpression) {
  const auto facts = MakeTable("t", "MergeTree", {{"x", "DateTime"}, {"ts", "DateTime"}}, "toStartOfHour(ts), ts");
  EXPECT_EQ(ChooseCursor(facts.table).timestamp, "ts");
}

TEST(CursorChoice, ThenThePartitionKeyThenAnyColumn) {
  const auto by_partition =
      MakeTable("t", "MergeTree", {{"x", "DateTime"}, {"ts", "DateTime"}}, "x_id", "toYYYYMM(ts)");
  EXPECT_EQ(ChooseCursor(by_partition.table).timestamp, "ts");
  EXPECT_TRUE(ChooseCursor(by_partition.table).is_certain);
  const auto by_column = MakeTable("t", "MergeTree", {{"id", "UInt64"}, {"x", "DateTime"}, {"ts", "DateTime"}}, "id");
  EXPECT_EQ(ChooseCursor(by_column.table).timestamp, "x");
  EXPECT_FALSE(ChooseCursor(by_column.table).is_certain);
  EXPECT_THAT(ChooseCursor(by_column.table).why, HasSubstr("CHECK THIS"));
}

TEST(CursorChoice, WhatIsNotStoredIsNone) {
  auto facts = MakeTable("t", "MergeTree", {{"hour", "DateTime"}, {"ts", "DateTime"}}, "hour, ts");
  facts.table.columns[0].default_kind = "MATERIALIZED";
  EXPECT_EQ(ChooseCursor(facts.table).timestamp, "ts");
}

TEST(CursorChoice, DatesAndNullsAreSaid) {
  const auto dates = MakeTable("t", "MergeTree", {{"day", "Date"}, {"n", "UInt8"}}, "day");
  EXPECT_EQ(ChooseCursor(dates.table).timestamp, "");
  EXPECT_THAT(ChooseCursor(dates.table).why, HasSubstr("day, a Date"));
  const auto none = MakeTable("t", "MergeTree", {{"n", "UInt8"}}, "n");
  EXPECT_EQ(ChooseCursor(none.table).timestamp, "");
  EXPECT_THAT(ChooseCursor(none.table).why, HasSubstr("no DateTime"));
  const auto nullable = MakeTable("t", "MergeTree", {{"ts", "Nullable(DateTime)"}}, "ts");
  EXPECT_THAT(ChooseCursor(nullable.table).why, HasSubstr("Nullable"));
}

TEST(CursorChoice, SequenceBehindTheCursorAlone) {
  auto sequence = [](const std::string& key) {
    return ChooseCursor(MakeTable("t", "MergeTree",
                                  {{"ts", "DateTime"},
                                   {"sequence_number", "UInt64"},
                                   {"id", "Int64"},
                                   {"user_id", "String"},
                                   {"price", "Int64"},
                                   {"kafka_offset", "Nullable(UInt32)"}},
                                  key)
                            .table)
        .sequence;
  };
  EXPECT_EQ(sequence("ts, sequence_number"), "sequence_number");
  EXPECT_EQ(sequence("sequence_number, ts"), "") << "before the cursor it does not go on within a time";
  EXPECT_EQ(sequence("ts, price, id"), "id");
  EXPECT_EQ(sequence("ts, user_id"), "") << "no number";
  EXPECT_EQ(sequence("ts, kafka_offset"), "kafka_offset");
  EXPECT_EQ(sequence("ts, -id"), "") << "no plain column";
  EXPECT_EQ(sequence("ts"), "");
}

std::string Span(const std::string& table, const std::string& engine, const std::string& cursor,
                 const std::map<std::string, std::string>& selects = {}) {
  const auto facts = MakeTable(table, engine, {{cursor, "DateTime"}}, cursor);
  const auto span = ChooseSpan(facts.table, cursor, selects);
  return span ? FormatDuration(span->micros) : "none";
}

TEST(SpanChoice, OfCandles) {
  EXPECT_EQ(Span("ohlcv_5m", "AggregatingMergeTree", "window_start"), "5m");
  EXPECT_EQ(Span("ohlcv_5m", "ReplicatedAggregatingMergeTree", "bucket"), "5m");
  EXPECT_EQ(Span("ohlcv_5m", "MergeTree", "window_start"), "none");
  EXPECT_EQ(Span("ohlcv_5m", "ReplacingMergeTree", "window_start"), "none") << "its rows are whole";
  EXPECT_EQ(Span("ohlcv_5m", "AggregatingMergeTree", "ts"), "none");
  EXPECT_EQ(Span("daily", "AggregatingMergeTree", "window_start"), "none");
  const std::map<std::string, std::string> hourly = {{"v", "SELECT toStartOfHour(ts) AS window_start FROM s"}};
  EXPECT_EQ(Span("hourly", "AggregatingMergeTree", "window_start", hourly), "1h");
  EXPECT_EQ(Span("ohlcv_5m", "AggregatingMergeTree", "window_start", hourly), "1h") << "the view knows better";
  EXPECT_EQ(Span("ohlcv_5m", "AggregatingMergeTree", "period", hourly), "5m") << "the view makes another column";
}

}  // namespace
}  // namespace calve::survey
