#include "calve/schedule/maintenance_schedule.h"

#include <gtest/gtest.h>

namespace calve::schedule {
namespace {

using Turn = MaintenanceSchedule::Turn;
constexpr int64_t kUpkeepHour = 3600 * kMicrosPerSecond;

TEST(MaintenanceSchedule, EachTableInItsTurnAndNotAgainBeforeItsTime) {
  MaintenanceSchedule schedule;
  EXPECT_EQ(schedule.NextAt(), std::nullopt);
  EXPECT_EQ(schedule.Next(1000), std::nullopt);
  schedule.Configure({"b", "a"}, kUpkeepHour, 1000);
  EXPECT_EQ(schedule.NextAt(), 1000);
  EXPECT_EQ(schedule.Next(999), std::nullopt);
  ASSERT_EQ(schedule.Next(1000), (Turn{"a", true}));
  schedule.OnEnded({"a", true}, MaintenanceEnd::kDone, 2000);
  ASSERT_EQ(schedule.Next(2000), (Turn{"b", true}));
  schedule.OnEnded({"b", true}, MaintenanceEnd::kDone, 3000);
  EXPECT_EQ(schedule.Next(3000), std::nullopt);
  EXPECT_EQ(schedule.NextAt(), 2000 + kUpkeepHour);
  // Orphans once a day, from the moment they were looked for.
  EXPECT_EQ(schedule.Next(2000 + kUpkeepHour), (Turn{"a", false}));
  EXPECT_EQ(schedule.Next(2000 + MaintenanceSchedule::kOrphansEvery), (Turn{"a", true}));
}

TEST(MaintenanceSchedule, WhoIsStoppedTimeAndAgainHoldsNobodyUp) {
  MaintenanceSchedule schedule;
  schedule.Configure({"a", "b"}, kUpkeepHour, 0);
  const Turn large = *schedule.Next(10);
  EXPECT_EQ(large.table, "a");
  schedule.OnEnded(large, MaintenanceEnd::kStopped, 20);
  EXPECT_EQ(schedule.Next(30)->table, "b");
  schedule.OnEnded({"b", true}, MaintenanceEnd::kDone, 40);
  // It is still due, and its orphans were not looked for.
  EXPECT_EQ(schedule.Next(50), (Turn{"a", true}));
}

TEST(MaintenanceSchedule, ANewConfigurationKeepsTheTimesOfTheTablesThatStay) {
  MaintenanceSchedule schedule;
  schedule.Configure({"a", "b"}, 2 * kUpkeepHour, 0);
  schedule.OnEnded({"a", true}, MaintenanceEnd::kDone, 100);
  schedule.Configure({"a", "c"}, 2 * kUpkeepHour, 200);
  EXPECT_EQ(schedule.Next(200)->table, "c");
  schedule.OnEnded({"c", true}, MaintenanceEnd::kDone, 300);
  EXPECT_EQ(schedule.NextAt(), 100 + 2 * kUpkeepHour);
  // Of a table that is gone.
  schedule.OnEnded({"b", true}, MaintenanceEnd::kDone, 400);
  EXPECT_EQ(schedule.NextAt(), 100 + 2 * kUpkeepHour);
  // A shorter interval is not waited out from the last time on.
  schedule.Configure({"a", "c"}, kUpkeepHour, 500);
  EXPECT_EQ(schedule.NextAt(), 500 + kUpkeepHour);
  schedule.Configure({"a", "c"}, std::nullopt, 600);
  EXPECT_EQ(schedule.NextAt(), std::nullopt);
  EXPECT_EQ(schedule.Next(kMicrosPerDay), std::nullopt);
}

}  // namespace
}  // namespace calve::schedule
