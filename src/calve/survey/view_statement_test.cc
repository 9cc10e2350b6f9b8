#include "calve/survey/view_statement.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "calve/base/time.h"

namespace calve::survey {

void PrintTo(const TableName& name, std::ostream* out) { *out << name.database << "." << name.name; }

namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const TableName kName{"k2", "v"};

TEST(ViewStatement, ReadsAndWrites) {
  const auto view = ReadView(
      kName,
      "CREATE MATERIALIZED VIEW k2.v TO other.t (`to` String, `x` DateTime('UTC')) AS SELECT a AS from_a, 'FROM z' "
      "FROM k2.s AS s LEFT JOIN dims AS d ON d.id = s.id WHERE a IN (SELECT id FROM k2.s) AND b IN (SELECT n FROM "
      "numbers(3))");
  EXPECT_TRUE(view.is_materialised);
  EXPECT_EQ(view.writes, (TableName{"other", "t"}));
  EXPECT_THAT(view.reads, ElementsAre(TableName{"k2", "s"}, TableName{"k2", "dims"}));
  EXPECT_TRUE(view.select.starts_with("SELECT a AS from_a"));
}

TEST(ViewStatement, OtherForms) {
  const auto inner =
      ReadView(kName, "CREATE MATERIALIZED VIEW k2.v (`a` Int8) ENGINE = MergeTree ORDER BY a AS SELECT a FROM k2.s");
  EXPECT_EQ(inner.writes, std::nullopt);
  EXPECT_THAT(inner.reads, ElementsAre(TableName{"k2", "s"}));
  const auto by_id =
      ReadView(kName, "CREATE MATERIALIZED VIEW k2.v TO INNER UUID 'x-y' (`a` Int8) ENGINE = Log AS SELECT a FROM s");
  EXPECT_EQ(by_id.writes, std::nullopt);
  const auto refreshed = ReadView(kName,
                                  "CREATE MATERIALIZED VIEW k2.v REFRESH EVERY 1 HOUR DEPENDS ON k2.w APPEND TO `the "
                                  "db`.`a.b` AS WITH q AS (SELECT 1) SELECT * FROM (SELECT * FROM `k2`.`s`), q");
  EXPECT_EQ(refreshed.writes, (TableName{"the db", "a.b"}));
  EXPECT_THAT(refreshed.reads, ElementsAre(TableName{"k2", "s"}));
  const auto plain = ReadView(kName, "CREATE VIEW k2.v (`a` Int8) AS SELECT a FROM k2.s");
  EXPECT_FALSE(plain.is_materialised);
  EXPECT_THAT(plain.reads, ElementsAre(TableName{"k2", "s"}));
  for (const char* text : {"", "CREATE MATERIALIZED VIEW", "CREATE MATERIALIZED VIEW v TO", "x AS SELECT",
                           "x AS SELECT 1 FROM", "x AS SELECT 1 FROM a."}) {
    EXPECT_EQ(ReadView(kName, text).writes, std::nullopt) << text;
  }
}

std::string Interval(const std::string& expression) {
  const auto span = IntervalOf("SELECT s.a AS a, " + expression + " AS w, count() AS n FROM s GROUP BY a, w", "w");
  return span ? FormatDuration(*span) : "none";
}

TEST(ViewStatement, IntervalsThatAColumnBegins) {
  EXPECT_EQ(Interval("toStartOfInterval(s.ts, toIntervalMinute(5))"), "5m");
  EXPECT_EQ(Interval("toStartOfInterval(s.ts, INTERVAL 4 hour, 'UTC')"), "4h");
  EXPECT_EQ(Interval("toStartOfMinute(ts)"), "1m");
  EXPECT_EQ(Interval("toDateTime(toStartOfFifteenMinutes(ts), 'UTC')"), "15m");
  EXPECT_EQ(Interval("toStartOfDay(ts)"), "1d");
  EXPECT_EQ(Interval("toStartOfInterval(ts, toIntervalMonth(1))"), "none") << "months differ";
  EXPECT_EQ(Interval("toStartOfMonth(ts)"), "none");
  EXPECT_EQ(Interval("ts"), "none");
  EXPECT_EQ(Interval("toStartOfHour(ts) AS hour, ts"), "none") << "of another column";
  EXPECT_EQ(IntervalOf("SELECT toStartOfHour(ts) AS w FROM s", "v"), std::nullopt);
}

}  // namespace
}  // namespace calve::survey
