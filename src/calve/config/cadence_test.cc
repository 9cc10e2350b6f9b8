#include "calve/config/cadence.h"

#include <gtest/gtest.h>

namespace calve::config {
namespace {

int64_t LongestOf(const ScheduleConfig& schedule) {
  const TimestampMicros now = ParseTimestamp("2024-08-09T12:00:00Z").ValueOrDie();
  return LongestIntervalMicros(CadenceOf(schedule).ValueOrDie(), now);
}

TEST(LongestInterval, IsTheOneThatIsWaitedFor) {
  EXPECT_EQ(LongestOf({}), 15 * kMicrosPerMinute);
  ScheduleConfig schedule;
  schedule.cron = "0 6-22 * * *";  // at night there are eight hours
  EXPECT_EQ(LongestOf(schedule), 8 * 60 * kMicrosPerMinute);
  schedule.cron = "*/5 * * * *";
  EXPECT_EQ(LongestOf(schedule), 5 * kMicrosPerMinute);
}

}  // namespace
}  // namespace calve::config
