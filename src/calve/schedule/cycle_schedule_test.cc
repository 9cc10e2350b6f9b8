#include "calve/schedule/cycle_schedule.h"

#include <gtest/gtest.h>

#include <ostream>

#include "calve/schedule/testing_time.h"

namespace calve::schedule {

// GoogleTest prints it.
void PrintTo(const DueCycle& due, std::ostream* out) {
  *out << CycleCauseName(due.cause) << " at " << FormatTimestamp(due.at) << " for " << due.stands_for;
}

namespace {

constexpr int64_t kSecond = kMicrosPerSecond, kScheduleMinute = 60 * kSecond;

class CycleScheduleTest : public testing::Test {
 protected:
  static Cadence Every(int64_t minutes) { return Cadence::Every(minutes * kScheduleMinute).ValueOrDie(); }
  static TimestampMicros T(const char* time) { return At((std::string("2026-11-24T") + time + "Z").c_str()); }
  // Every 15 minutes, started at 10:07 with a last cycle at 10:00.
  CycleSchedule Make() { return CycleSchedule(Every(15), T("10:07:00"), T("10:00:00"), retry_); }
  static void Cycle(CycleSchedule& schedule, TimestampMicros from, TimestampMicros to,
                    Result<CycleReport> report = CycleReport{}) {
    schedule.OnStarted(from);
    schedule.OnFinished(to, report, 0.9999999999);
  }

  const RetryPolicy retry_{.wait_min_ms = 60'000, .wait_max_ms = 240'000};
};

TEST_F(CycleScheduleTest, WaitsForTheNextTime) {
  CycleSchedule schedule = Make();
  EXPECT_EQ(schedule.Next(T("10:07:00")), (DueCycle{T("10:15:00"), CycleCause::kSchedule, 1}));
  EXPECT_EQ(schedule.Next(T("10:15:00")), (DueCycle{T("10:15:00"), CycleCause::kSchedule, 1}));
  Cycle(schedule, T("10:15:00"), T("10:16:00"));
  EXPECT_EQ(schedule.Next(T("10:16:00")), (DueCycle{T("10:30:00"), CycleCause::kSchedule, 1}));
}

TEST_F(CycleScheduleTest, AfterDowntimeOneCycleForAllThatWasMissed) {
  CycleSchedule schedule(Every(15), T("12:07:00"), T("10:00:00"), retry_);
  EXPECT_EQ(schedule.Next(T("12:07:00")), (DueCycle{T("10:15:00"), CycleCause::kMissed, 8}));
  Cycle(schedule, T("12:07:00"), T("12:08:00"));
  EXPECT_EQ(schedule.Next(T("12:08:00")), (DueCycle{T("12:15:00"), CycleCause::kSchedule, 1}));
}

TEST_F(CycleScheduleTest, AfterYearsTheCountEnds) {
  CycleSchedule schedule(Every(1), T("12:07:00"), At("2001-01-01"), retry_);
  EXPECT_EQ(schedule.Next(T("12:07:00")).stands_for, 1000);
}

TEST_F(CycleScheduleTest, NothingKnownCountsAsMissed) {
  CycleSchedule schedule(Every(15), T("10:07:00"), std::nullopt, retry_);
  EXPECT_EQ(schedule.Next(T("10:07:00")), (DueCycle{T("10:07:00"), CycleCause::kMissed, 0}));
  Cycle(schedule, T("10:07:00"), T("10:08:00"));
  EXPECT_EQ(schedule.Next(T("10:08:00")).at, T("10:15:00"));
}

TEST_F(CycleScheduleTest, AnOverrunIsFollowedByOneAtOnce) {
  CycleSchedule schedule = Make();
  Cycle(schedule, T("10:15:00"), T("10:50:00"));
  EXPECT_EQ(schedule.Next(T("10:50:00")), (DueCycle{T("10:30:00"), CycleCause::kMissed, 2}));
  Cycle(schedule, T("10:50:00"), T("10:51:00"));
  EXPECT_EQ(schedule.Next(T("10:51:00")), (DueCycle{T("11:00:00"), CycleCause::kSchedule, 1}));
  // Ending at the very time is an overrun as well; ending just before is none.
  Cycle(schedule, T("11:00:00"), T("11:15:00"));
  EXPECT_EQ(schedule.Next(T("11:15:00")), (DueCycle{T("11:15:00"), CycleCause::kMissed, 1}));
  Cycle(schedule, T("11:15:00"), T("11:29:59"));
  EXPECT_EQ(schedule.Next(T("11:30:00")), (DueCycle{T("11:30:00"), CycleCause::kSchedule, 1}));
}

TEST_F(CycleScheduleTest, OnDemandServesWhatIsDue) {
  CycleSchedule schedule = Make();
  schedule.RequestRun();
  schedule.RequestRun();
  EXPECT_EQ(schedule.Next(T("10:08:00")), (DueCycle{T("10:08:00"), CycleCause::kOnDemand, 0}));
  EXPECT_EQ(schedule.Next(T("10:15:01")), (DueCycle{T("10:15:01"), CycleCause::kOnDemand, 1}));
  Cycle(schedule, T("10:15:01"), T("10:16:00"));
  EXPECT_EQ(schedule.Next(T("10:16:00")).at, T("10:30:00"));
}

TEST_F(CycleScheduleTest, ABacklogIsFollowedAtOnceWhileItShrinks) {
  CycleSchedule schedule = Make();
  Cycle(schedule, T("10:15:00"), T("10:20:00"), CycleReport{.backlog = true, .progressed = true});
  EXPECT_TRUE(schedule.backlog());
  EXPECT_EQ(schedule.Next(T("10:20:00")), (DueCycle{T("10:20:00"), CycleCause::kBacklog, 0}));
  Cycle(schedule, T("10:20:00"), T("10:31:00"), CycleReport{.backlog = true, .progressed = true});
  // All tables have their turn at the scheduled times all the same.
  EXPECT_EQ(schedule.Next(T("10:31:00")), (DueCycle{T("10:30:00"), CycleCause::kMissed, 1}));
  Cycle(schedule, T("10:31:00"), T("10:32:00"), CycleReport{.backlog = true, .progressed = false});
  EXPECT_FALSE(schedule.backlog());
  EXPECT_EQ(schedule.Next(T("10:32:00")), (DueCycle{T("10:45:00"), CycleCause::kSchedule, 1})) << "does not spin";
}

TEST_F(CycleScheduleTest, RetriesComeBeforeTheNextTimeIfTheyAreSooner) {
  CycleSchedule schedule = Make();
  Cycle(schedule, T("10:15:00"), T("10:16:00"), CycleReport{.retry_at = T("10:17:00")});
  EXPECT_EQ(schedule.Next(T("10:16:00")), (DueCycle{T("10:17:00"), CycleCause::kRetry, 0}));
  EXPECT_EQ(schedule.Next(T("10:31:00")), (DueCycle{T("10:30:00"), CycleCause::kSchedule, 1}))
      << "all rather than some";
  Cycle(schedule, T("10:17:00"), T("10:18:00"), CycleReport{.retry_at = T("10:40:00")});
  EXPECT_EQ(schedule.Next(T("10:18:00")), (DueCycle{T("10:30:00"), CycleCause::kSchedule, 1}));
  Cycle(schedule, T("10:30:00"), T("10:31:00"));
  EXPECT_EQ(schedule.Next(T("10:31:00")).at, T("10:45:00")) << "the last report counts";
}

TEST_F(CycleScheduleTest, CyclesThatFailAsAWholeAreRepeatedAfterGrowingWaits) {
  CycleSchedule schedule(Every(24 * 60), T("10:07:00"), T("10:00:00"), retry_);
  TimestampMicros now = T("10:07:00");
  std::vector<int64_t> minutes;
  for (int i = 0; i < 4; ++i) {
    Cycle(schedule, now, now, MakeError(ErrorKind::kRetry, "no catalog"));
    DueCycle due = schedule.Next(now);
    EXPECT_EQ(due.cause, CycleCause::kRepeat);
    minutes.push_back((due.at - now + kSecond) / kScheduleMinute);
    now = due.at;
  }
  EXPECT_EQ(minutes, (std::vector<int64_t>{1, 2, 4, 4}));
  Cycle(schedule, now, now);
  EXPECT_EQ(schedule.Next(now).cause, CycleCause::kSchedule);
  Cycle(schedule, now, now, MakeError(ErrorKind::kRetry, "no catalog"));
  EXPECT_EQ((schedule.Next(now).at - now + kSecond) / kScheduleMinute, 1) << "a success forgets the failures before";
}

TEST_F(CycleScheduleTest, AClockThatIsSetBackDoesNotStopTheCycles) {
  CycleSchedule schedule = Make();
  Cycle(schedule, T("10:15:00"), T("10:16:00"));
  EXPECT_EQ(schedule.Next(T("07:01:00")).at, T("07:15:00"));
  EXPECT_EQ(schedule.Next(T("07:14:59")).at, T("07:15:00"));
  EXPECT_EQ(schedule.Next(T("07:15:00")), (DueCycle{T("07:15:00"), CycleCause::kSchedule, 1}));
  CycleSchedule future(Every(15), T("10:07:00"), T("18:00:00"), retry_);  // another machine's clock
  EXPECT_EQ(future.Next(T("10:07:00")).at, T("10:15:00"));
}

TEST_F(CycleScheduleTest, ANewCadenceCountsFromNowOn) {
  CycleSchedule schedule = Make();
  schedule.SetCadence(Every(5), T("10:12:00"));
  EXPECT_EQ(schedule.Next(T("10:12:00")), (DueCycle{T("10:15:00"), CycleCause::kSchedule, 1}))
      << "10:10 was no time then";
  EXPECT_EQ(schedule.cadence().ToString(), "every 5m");
}

TEST_F(CycleScheduleTest, ATimeThatIsDueSurvivesANewCadence) {
  CycleSchedule schedule = Make();
  Cycle(schedule, T("10:15:00"), T("10:31:00"));
  schedule.SetCadence(Every(24 * 60), T("10:31:00"));
  schedule.SetCadence(Every(12 * 60), T("10:31:00"));
  EXPECT_EQ(schedule.Next(T("10:31:00")), (DueCycle{T("10:30:00"), CycleCause::kMissed, 1}));
  Cycle(schedule, T("10:31:00"), T("10:32:00"));
  EXPECT_EQ(schedule.Next(T("10:32:00")).at, T("12:00:00"));
  CycleSchedule unknown(Every(15), T("10:07:00"), std::nullopt, retry_);
  unknown.SetCadence(Every(60), T("10:07:00"));
  EXPECT_EQ(unknown.Next(T("10:07:00")).cause, CycleCause::kMissed);
}

}  // namespace
}  // namespace calve::schedule
