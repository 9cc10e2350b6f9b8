#include "calve/doctor/table_ttl.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace calve::doctor {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr int64_t kHour = 3600 * kMicrosPerSecond, kDay = 24 * kHour;

std::string Create(const std::string& ttl, const std::string& of_column = "") {
  return "CREATE TABLE default.t (`ts` DateTime64(3), `it's` String" + of_column +
         ", `d` Date) ENGINE = MergeTree PARTITION BY toDate(ts) ORDER BY (`it's`, ts)" + ttl +
         " SETTINGS index_granularity = 8192";
}

source::SourceTable Table() {
  source::SourceTable table;
  for (const auto& [name, type] : {std::pair("ts", "DateTime64(3)"), std::pair("d", "Date")}) {
    source::SourceColumn column;
    column.name = name;
    column.type.text = type;
    table.columns.push_back(column);
  }
  return table;
}

TEST(TableTtl, RulesAsClickHousePrintsThem) {
  EXPECT_THAT(TtlRules(Create("")), IsEmpty());
  const auto one = TtlRules(Create(" TTL toDateTime(ts) + toIntervalDay(7)"));
  ASSERT_EQ(one.size(), 1u);
  EXPECT_EQ(one[0].text, "toDateTime(ts) + toIntervalDay(7)");
  EXPECT_THAT(one[0].by, ElementsAre("ts"));
  EXPECT_EQ(one[0].after_micros, 7 * kDay);
  EXPECT_EQ(one[0].column, "");
  const auto several = TtlRules(Create(
      " TTL toDate(ts) + toIntervalWeek(1), (ts + INTERVAL 1 MONTH) + toIntervalDay(2) DELETE WHERE `it's` = 'a, b', "
      "ts + toIntervalHour(1) TO VOLUME 'cold', ts + toIntervalHour(2) RECOMPRESS CODEC(ZSTD(9)), d"));
  ASSERT_EQ(several.size(), 3u);
  EXPECT_EQ(several[0].after_micros, 6 * kDay) << "a date is up to a day before the time";
  EXPECT_EQ(several[1].after_micros, 30 * kDay);
  EXPECT_THAT(several[1].by, ElementsAre("ts"));
  EXPECT_EQ(several[2].text, "d");
  EXPECT_EQ(several[2].after_micros, std::nullopt);
}

TEST(TableTtl, RollUpsAndColumns) {
  const auto rolled = TtlRules(
      Create(" TTL ts + toIntervalDay(3) GROUP BY `it's`, d SET ts = max(ts), d = any(d), ts + toIntervalDay(9)"));
  ASSERT_EQ(rolled.size(), 2u);
  EXPECT_TRUE(rolled[0].rolls_up);
  EXPECT_EQ(rolled[0].text, "ts + toIntervalDay(3)");
  EXPECT_EQ(rolled[1].after_micros, 9 * kDay);
  const auto emptied = TtlRules(Create("", " CODEC(ZSTD(1)) TTL toDateTime(ts) + toIntervalHour(5)"));
  ASSERT_EQ(emptied.size(), 1u);
  EXPECT_EQ(emptied[0].column, "it's");
  EXPECT_EQ(emptied[0].after_micros, 5 * kHour);
}

TEST(TableTtl, AnyTextIsTaken) {
  for (const char* text :
       {"", "TTL", "ENGINE TTL", "CREATE TABLE t (", "CREATE TABLE t (a TTL", "CREATE TABLE t (a) ENGINE = M TTL ,",
        "CREATE VIEW v AS SELECT 1", "CREATE TABLE t (TTL UInt8) ENGINE = M TTL TTL + toIntervalDay(1) SETTINGS"}) {
    TtlRules(text);
  }
}

std::vector<Finding> Judge(const std::string& ttl, int64_t lookback, const std::string& of_column = "") {
  config::TableConfig table;
  table.lookback_micros = lookback;  // with a buffer of five minutes
  return JudgeTtl("table t", Table(), "ts", TtlRules(Create(ttl, of_column)), NeedsOf(table, lookback > 0, kHour));
}

TEST(TableTtl, WhatIsNeeded) {
  config::TableConfig table;
  table.buffer_micros = 2 * kHour;
  table.cursor.covers_micros = kDay;
  table.lookback_micros = 3 * kDay;
  EXPECT_EQ(NeedsOf(table, true, kHour).offloaded_micros, kDay + 3 * kHour);
  EXPECT_EQ(NeedsOf(table, true, kHour).late_micros, 4 * kDay + 3 * kHour);
  EXPECT_EQ(NeedsOf(table, false, kHour).late_micros, 0);
}

TEST(TableTtl, OnlyWhatIsTooShortIsAWarning) {
  EXPECT_THAT(Judge(" TTL ts + toIntervalDay(7)", 2 * kDay), IsEmpty());
  const auto lost = Judge(" TTL ts + toIntervalHour(1)", 2 * kDay);
  ASSERT_EQ(lost.size(), 1u);
  EXPECT_EQ(lost[0].level, Level::kWarning);
  EXPECT_THAT(lost[0].message,
              HasSubstr("as early as 1h after ts, where a row is offloaded up to 1h 5m after its time"));
  EXPECT_THAT(lost[0].remedy, HasSubstr("calve retire"));
  const auto late = Judge(" TTL ts + toIntervalDay(2)", 2 * kDay);
  ASSERT_EQ(late.size(), 1u);
  EXPECT_THAT(late[0].message, HasSubstr("can be gone before they are found, where the look-back is 2d"));
  EXPECT_THAT(late[0].remedy, HasSubstr("more than 2d 1h 5m"));
  EXPECT_THAT(Judge(" TTL ts + toIntervalDay(2)", 0), IsEmpty()) << "nothing is looked for";
}

TEST(TableTtl, OtherColumnsAndOtherForms) {
  const auto date = Judge(" TTL d + toIntervalDay(1)", 0);
  ASSERT_EQ(date.size(), 1u);
  EXPECT_THAT(date[0].message, HasSubstr("as early as 0s after d (which is not the cursor, ts)"));
  const auto untold = Judge(" TTL d", 0);
  ASSERT_EQ(untold.size(), 1u);
  EXPECT_THAT(untold[0].message, HasSubstr("the TTL d, which does not tell how long they stay"));
  EXPECT_THAT(untold[0].remedy, HasSubstr("1h 5m"));
  const auto emptied = Judge("", 0, " TTL ts + toIntervalMinute(10)");
  ASSERT_EQ(emptied.size(), 1u);
  EXPECT_THAT(emptied[0].message,
              HasSubstr("column it's is emptied by its TTL ts + toIntervalMinute(10), as early as 10m"));
}

}  // namespace
}  // namespace calve::doctor
