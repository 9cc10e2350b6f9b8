#include "calve/schedule/cron_expression.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace calve::schedule {
namespace {

using cctz::civil_minute;
using testing::HasSubstr;

civil_minute Next(const char* expression, const civil_minute& from) {
  return CronExpression::Parse(expression).ValueOrDie().NextFrom(from);
}

TEST(CronExpression, ListsRangesStepsAndNames) {
  civil_minute from(2026, 11, 24, 10, 7);  // a Tuesday
  EXPECT_EQ(Next("* * * * *", from), from);
  EXPECT_EQ(Next("*/15 * * * *", from), civil_minute(2026, 11, 24, 10, 15));
  EXPECT_EQ(Next("5,7,9 * * * *", from), from);
  EXPECT_EQ(Next("5,6 * * * *", from), civil_minute(2026, 11, 24, 11, 5));
  EXPECT_EQ(Next("10-40/20 * * * *", from), civil_minute(2026, 11, 24, 10, 10));
  EXPECT_EQ(Next("0 9 * * *", from), civil_minute(2026, 11, 25, 9, 0));
  EXPECT_EQ(Next("0 9 1 * *", from), civil_minute(2026, 12, 1, 9, 0));
  EXPECT_EQ(Next("0 9 * jan *", from), civil_minute(2027, 1, 1, 9, 0));
  EXPECT_EQ(Next("0 0 * * mon", from), civil_minute(2026, 11, 30, 0, 0));
  EXPECT_EQ(Next("0 0 * FEB-MAR Tue,THU", from), civil_minute(2027, 2, 2, 0, 0));
  EXPECT_EQ(Next("  1\t2  3 4   * ", from), civil_minute(2027, 4, 3, 2, 1));
  EXPECT_EQ(Next("7-7/1 * * * *", from), from);
}

TEST(CronExpression, SundayIsZeroAndSeven) {
  civil_minute from(2026, 11, 24, 0, 0), sunday(2026, 11, 29, 0, 0);
  for (const char* text : {"0 0 * * 0", "0 0 * * 7", "0 0 * * SUN", "0 0 * * 7-7"}) {
    EXPECT_EQ(Next(text, from), sunday) << text;
  }
  EXPECT_EQ(Next("0 0 * * FRI-SUN", sunday), sunday);
  EXPECT_EQ(Next("0 0 * * 5-7", from), civil_minute(2026, 11, 27, 0, 0));
}

TEST(CronExpression, Shorthands) {
  civil_minute from(2026, 11, 24, 10, 7);
  EXPECT_EQ(Next("@hourly", from), civil_minute(2026, 11, 24, 11, 0));
  EXPECT_EQ(Next("@daily", from), civil_minute(2026, 11, 25, 0, 0));
  EXPECT_EQ(Next("@midnight", from), civil_minute(2026, 11, 25, 0, 0));
  EXPECT_EQ(Next("@Weekly", from), civil_minute(2026, 11, 29, 0, 0));
  EXPECT_EQ(Next("@monthly", from), civil_minute(2026, 12, 1, 0, 0));
  EXPECT_EQ(Next("@yearly", from), civil_minute(2027, 1, 1, 0, 0));
  EXPECT_EQ(Next("@annually", from), civil_minute(2027, 1, 1, 0, 0));
}

TEST(CronExpression, TwoRestrictedDayFieldsAreAlternatives) {
  civil_minute from(2026, 11, 24, 0, 1);
  EXPECT_EQ(Next("0 0 13 * FRI", from), civil_minute(2026, 11, 27, 0, 0));                              // a Friday
  EXPECT_EQ(Next("0 0 13 * FRI", civil_minute(2026, 12, 12, 0, 0)), civil_minute(2026, 12, 13, 0, 0));  // a Sunday
  // A field that begins with `*` is no restriction in that sense: then both have to match.
  EXPECT_EQ(Next("0 0 */2 * FRI", from), civil_minute(2026, 11, 27, 0, 0));
  EXPECT_EQ(Next("0 0 */2 * FRI", civil_minute(2026, 11, 27, 0, 1)), civil_minute(2026, 12, 11, 0, 0));  // not the 4th
}

TEST(CronExpression, LeapDays) {
  EXPECT_EQ(Next("0 0 29 2 *", civil_minute(2025, 1, 1, 0, 0)), civil_minute(2028, 2, 29, 0, 0));
  EXPECT_EQ(Next("0 0 29 2 *", civil_minute(2096, 3, 1, 0, 0)), civil_minute(2104, 2, 29, 0, 0));  // 2100 is none
  EXPECT_EQ(Next("0 0 29 FEB */6", civil_minute(2025, 1, 1, 0, 0)), civil_minute(2032, 2, 29, 0, 0));
  EXPECT_EQ(Next("0 0 31 * *", civil_minute(2026, 2, 1, 0, 0)), civil_minute(2026, 3, 31, 0, 0));
}

TEST(CronExpression, TellsIntervalsFromTimesOfDay) {
  for (const char* text : {"* * * * *", "*/5 3 * * *", "30 * * * *", "30 */2 * * *", "@hourly"}) {
    EXPECT_TRUE(CronExpression::Parse(text)->is_interval()) << text;
  }
  for (const char* text : {"30 2 * * *", "0,30 1-3 * * *", "@daily", "0 0-23 * * *"}) {
    EXPECT_FALSE(CronExpression::Parse(text)->is_interval()) << text;
  }
}

TEST(CronExpression, ErrorsNameTheFieldAndTheRemedy) {
  struct Case {
    const char* text;
    const char* message;
    const char* remedy;
  };
  for (const Case& c : std::initializer_list<Case>{
           {"", "0 fields", "minute, hour"},
           {"* * * *", "4 fields", "minute, hour"},
           {"0 * * * * *", "6 fields", "seconds"},
           {"60 * * * *", "minute '60'", "0 to 59"},
           {"* 24 * * *", "hour '24'", "0 to 23"},
           {"* * 0 * *", "day of month '0'", "1 to 31"},
           {"* * * 13 *", "month '13'", "JAN to DEC"},
           {"* * * * 8", "weekday '8'", "SUN to SAT"},
           {"* * * * MOON", "weekday 'MOON'", "SUN to SAT"},
           {"MON * * * *", "minute 'MON'", "0 to 59"},
           {"-1 * * * *", "minute '-1'", "0 to 59"},
           {"1, * * * *", "minute '1,'", "lists"},
           {"1--2 * * * *", "minute '1--2'", "ranges"},
           {"99999999999 * * * *", "minute", "0 to 59"},
           {"*/0 * * * *", "no step", "fits"},
           {"*/90 * * * *", "no step", "every: 90m"},
           {"*/ * * * *", "no step", "fits"},
           {"5/15 * * * *", "without a range", "5-59/15"},
           {"40-20 * * * *", "backwards", "two ranges"},
           {"* * * * FRI-MON", "backwards", "two ranges"},
           {"* * ? * *", "day of month '?'", "1 to 31"},
           {"@every 15m", "'@every 15m'", "every: 15m"},
           {"@reboot", "'@reboot'", "@hourly"},
           {"0 0 30 2 *", "day 30", "28"},
           {"0 0 31 4,6,9,NOV *", "day 31", "28"},
       }) {
    Status status = CronExpression::Parse(c.text).status();
    ASSERT_FALSE(status.ok()) << c.text;
    EXPECT_EQ(KindOf(status), ErrorKind::kConfig) << c.text;
    EXPECT_THAT(MessageOf(status), HasSubstr(c.message)) << c.text;
    EXPECT_THAT(RemedyOf(status), HasSubstr(c.remedy)) << c.text;
  }
  EXPECT_TRUE(CronExpression::Parse("0 0 30 2 MON").ok()) << "Mondays in February";
  EXPECT_TRUE(CronExpression::Parse("0 0 31 2,3 *").ok());
}

}  // namespace
}  // namespace calve::schedule
