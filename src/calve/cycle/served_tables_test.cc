#include "calve/cycle/served_tables.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "calve/cycle/testing_cycle_work.h"
#include "calve/schedule/testing_time.h"

namespace calve::cycle {
namespace {

using schedule::CycleCause;
using schedule::TableOutcome;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr int64_t kMinute = 60 * kMicrosPerSecond;
const TimestampMicros kNow = schedule::At("2026-11-24T03:00:00Z");

double Half() { return 0.5; }

TableReport Report(const std::string& name, TableOutcome outcome, bool backlog = false) {
  TableReport report;
  report.name = name;
  static_cast<TableOutcome&>(report.outcome) = std::move(outcome);
  report.outcome.started = report.outcome.finished = kNow;
  if (report.outcome.state == schedule::TableState::kDone) {
    report.offload.emplace();
    report.offload->snapshot_id = 1;
    report.offload->backlog = backlog;
  }
  return report;
}
TableReport Done(const std::string& name) { return Report(name, TableOutcome::Done()); }
TableReport Backlog(const std::string& name) { return Report(name, TableOutcome::Done(), true); }
TableReport Failed(const std::string& name, ErrorKind kind = ErrorKind::kRetry) {
  return Report(name, TableOutcome::Failed(MakeError(kind, "broken")));
}
TableReport Held(const std::string& name) {
  TableReport report = Report(name, TableOutcome::Skipped("another calve works on it", false));
  report.offload.emplace();
  report.offload->held_by.emplace();
  return report;
}
TableReport Uncalled(const std::string& name) {
  TableReport report = Report(name, TableOutcome::Skipped("it comes after another", true));
  report.outcome.started = report.outcome.finished = std::nullopt;
  return report;
}

class ServedTablesTest : public ::testing::Test {
 protected:
  schedule::CycleReport Learn(std::vector<TableReport> tables, TimestampMicros now = kNow) {
    CycleReport report;
    report.tables = std::move(tables);
    return served_.Learn(report, now, Half);
  }
  std::vector<size_t> TablesFor(CycleCause cause, TimestampMicros now = kNow) {
    return served_.OptionsFor(config_, cause, now).tables;
  }

  // 0 a, 1 after_a, 2 b, 3 last
  config::Config config_ = ConfigOf({{"a"}, {"after_a", "a"}, {"b"}, {"last", "after_a"}});
  ServedTables served_;
};

TEST_F(ServedTablesTest, AtFirstEverythingIsDueAndNothingIsLeftOut) {
  for (CycleCause cause : {CycleCause::kSchedule, CycleCause::kMissed, CycleCause::kOnDemand, CycleCause::kBacklog,
                           CycleCause::kRetry, CycleCause::kRepeat}) {
    const CycleOptions options = served_.OptionsFor(config_, cause, kNow);
    EXPECT_THAT(options.tables, ElementsAre(0, 1, 2, 3)) << CycleCauseName(cause);
    EXPECT_THAT(options.skip, ElementsAre(std::nullopt, std::nullopt, std::nullopt, std::nullopt));
  }
}

TEST_F(ServedTablesTest, APausedTableHasNoTurnAndAsksForNone) {
  served_.SetPaused({"a"});
  EXPECT_THAT(TablesFor(CycleCause::kSchedule), ElementsAre(1, 2, 3)) << "those after it go on";
  // It was paused while it ran.
  auto learnt = Learn({Failed("a"), Backlog("b")});
  EXPECT_FALSE(learnt.retry_at) << "else one cycle would follow the other";
  EXPECT_THAT(TablesFor(CycleCause::kBacklog), ElementsAre(2));
  learnt = Learn({Done("b")});
  EXPECT_FALSE(learnt.backlog);
  served_.SetPaused({});
  EXPECT_TRUE(Learn({}).retry_at) << "what was known of it still is";
  served_.SetPaused({"a", "after_a", "b", "last"});
  EXPECT_THAT(TablesFor(CycleCause::kSchedule), ElementsAre());
}

TEST_F(ServedTablesTest, ABacklogIsForItsTableAndThoseAfterIt) {
  const auto learnt = Learn({Backlog("a"), Done("after_a"), Done("b"), Done("last")});
  EXPECT_TRUE(learnt.backlog);
  EXPECT_TRUE(learnt.progressed);
  EXPECT_FALSE(learnt.retry_at);
  EXPECT_THAT(TablesFor(CycleCause::kBacklog), ElementsAre(0, 1, 3));
  for (CycleCause cause : {CycleCause::kSchedule, CycleCause::kMissed, CycleCause::kOnDemand, CycleCause::kRepeat}) {
    EXPECT_THAT(TablesFor(cause), SizeIs(4));
  }
  EXPECT_FALSE(Learn({Done("a"), Done("after_a"), Done("last")}).backlog);
}

// Only who was called can say that there is none any more.
TEST_F(ServedTablesTest, ABacklogOutlivesACycleThatDidNotCallItsTable) {
  Learn({Backlog("b")});
  EXPECT_TRUE(Learn({Done("a"), Uncalled("b")}).backlog);
  EXPECT_TRUE(Learn({Done("a")}).backlog);
  EXPECT_THAT(TablesFor(CycleCause::kBacklog), ElementsAre(2));
  EXPECT_FALSE(Learn({Failed("b")}).backlog);  // the failure's wait counts then
}

TEST_F(ServedTablesTest, ARetryIsForThoseThatAreDueAndTheirDependents) {
  const auto learnt = Learn({Failed("after_a"), Done("b")});
  ASSERT_TRUE(learnt.retry_at);
  EXPECT_GT(*learnt.retry_at, kNow);
  EXPECT_LT(*learnt.retry_at, kNow + kMinute);
  EXPECT_THAT(TablesFor(CycleCause::kRetry, *learnt.retry_at), ElementsAre(1, 3));
  EXPECT_THAT(TablesFor(CycleCause::kRetry, *learnt.retry_at - 1), SizeIs(4)) << "nobody is due";
  const CycleOptions early = served_.OptionsFor(config_, CycleCause::kSchedule, *learnt.retry_at - 1);
  EXPECT_FALSE(early.skip[0]);
  ASSERT_TRUE(early.skip[1]);
  EXPECT_THAT(*early.skip[1], HasSubstr("after a failure: broken"));
  EXPECT_FALSE(served_.OptionsFor(config_, CycleCause::kSchedule, *learnt.retry_at).skip[1]);
}

TEST_F(ServedTablesTest, TheEarliestRetryCounts) {
  const auto first = Learn({Failed("a")}).retry_at;
  const auto both = Learn({Failed("b")}, kNow + 2 * kMicrosPerSecond).retry_at;
  EXPECT_EQ(both, first);
  EXPECT_EQ(Learn({Done("a")}).retry_at, *first + 2 * kMicrosPerSecond);  // b's
  EXPECT_EQ(Learn({Done("b")}).retry_at, std::nullopt);
}

TEST_F(ServedTablesTest, WhatWaitsForAPersonIsTriedWithTheNextCycle) {
  EXPECT_FALSE(Learn({Failed("a", ErrorKind::kConfig)}).retry_at);
  EXPECT_FALSE(served_.OptionsFor(config_, CycleCause::kSchedule, kNow).skip[0]);
}

TEST_F(ServedTablesTest, WaitsAreThoseOfTheConfiguration) {
  config::RetryConfig retry;
  retry.wait_min_micros = 4 * kMicrosPerSecond;
  retry.wait_max_micros = 6 * kMicrosPerSecond;
  retry.put_aside_after = 3;
  retry.aside_min_micros = 100 * kMicrosPerSecond;
  served_ = ServedTables(retry);
  const auto wait = [&] { return (*Learn({Failed("a")}).retry_at - kNow) / kMicrosPerSecond; };
  EXPECT_EQ(wait(), 3);  // half of it fixed, half of the rest drawn
  EXPECT_EQ(wait(), 4);  // 8, cut to 6
  EXPECT_EQ(wait(), 75);
  EXPECT_THAT(*served_.OptionsFor(config_, CycleCause::kSchedule, kNow).skip[0], HasSubstr("put aside until"));
  served_.Forget(config::RetryConfig());
  EXPECT_FALSE(served_.OptionsFor(config_, CycleCause::kSchedule, kNow).skip[0]);
  EXPECT_EQ(wait(), 11);  // the defaults: 15 s
}

TEST_F(ServedTablesTest, PutAsideAfterFailuresInARowAndForgivenAfterASuccess) {
  TimestampMicros now = kNow;
  for (int i = 0; i < 5; ++i) {
    EXPECT_FALSE(served_.OptionsFor(config_, CycleCause::kSchedule, now).skip[0]) << i;
    Learn({Failed("a", ErrorKind::kConfig)}, now);
    now += kMinute;
  }
  const auto skip = served_.OptionsFor(config_, CycleCause::kSchedule, now).skip[0];
  ASSERT_TRUE(skip);
  EXPECT_THAT(*skip, HasSubstr("put aside until "));
  EXPECT_THAT(*skip, HasSubstr("5 failures in a row: broken"));
  EXPECT_FALSE(
      served_.OptionsFor(config_, CycleCause::kSchedule, now).skip[1]);  // the cycle skips it behind its parent
  now += 60 * kMinute;
  EXPECT_THAT(TablesFor(CycleCause::kRetry, now), ElementsAre(0, 1, 3));
  Learn({Done("a")}, now);
  Learn({Failed("a", ErrorKind::kConfig)}, now);
  EXPECT_FALSE(served_.OptionsFor(config_, CycleCause::kSchedule, now).skip[0]) << "one failure again";
}

TEST_F(ServedTablesTest, AStopIsNoFailure) {
  EXPECT_FALSE(Learn({Report("a", TableOutcome::Failed(MakeError(ErrorKind::kStopped, "stopped")))}).retry_at);
  EXPECT_FALSE(served_.OptionsFor(config_, CycleCause::kSchedule, kNow).skip[0]);
}

// To ask at once and again whether the other calve is ready would be a loop without a pause.
TEST_F(ServedTablesTest, ATableThatIsHeldWaitsForTheNextCycle) {
  const TimestampMicros retry_at = *Learn({Failed("a")}).retry_at;
  EXPECT_EQ(Learn({Held("a")}, retry_at).retry_at, std::nullopt);
  EXPECT_THAT(TablesFor(CycleCause::kSchedule, retry_at), SizeIs(4));
  EXPECT_FALSE(served_.OptionsFor(config_, CycleCause::kSchedule, retry_at).skip[0]);
  EXPECT_TRUE(Learn({Failed("a")}, retry_at).retry_at) << "it failed anew";
}

TEST_F(ServedTablesTest, ATableThatWasNotCalledIsStillToBeTried) {
  const TimestampMicros retry_at = *Learn({Failed("after_a")}).retry_at;
  EXPECT_EQ(Learn({Done("a"), Uncalled("after_a")}, retry_at + kMinute).retry_at, retry_at);
}

TEST_F(ServedTablesTest, WhatIsGoneFromTheConfigurationIsForgotten) {
  Learn({Failed("a"), Backlog("b")});
  config_ = ConfigOf({{"c"}});
  EXPECT_THAT(TablesFor(CycleCause::kBacklog), ElementsAre(0));
  const auto learnt = Learn({Done("c")});
  EXPECT_FALSE(learnt.backlog);
  EXPECT_FALSE(learnt.retry_at);
}

TEST_F(ServedTablesTest, ForgetTriesEverythingAnew) {
  Learn({Failed("a"), Backlog("b")});
  served_.Forget(config::RetryConfig());
  EXPECT_FALSE(served_.OptionsFor(config_, CycleCause::kSchedule, kNow).skip[0]);
  const auto learnt = Learn({});
  EXPECT_FALSE(learnt.backlog);
  EXPECT_FALSE(learnt.retry_at);
}

// A day of cycles over tables that fail, are held and have backlogs at random: each wait between cycles is a real one.
// Of cycles at one instant there may be as many as there are tables (each calls at least one that was due) and chunks.
TEST(ServedTables, NeverSpin) {
  for (uint64_t seed = 0; seed < 40; ++seed) {
    std::mt19937_64 random(seed);
    const auto config = ConfigOf({{"a"}, {"b", "a"}, {"c"}, {"d", "b, c"}, {"e", "d"}});
    FakeWork work;
    schedule::FakeClock clock(kNow);
    const StopToken stop;
    ServedTables served;
    schedule::CycleSchedule schedule(*schedule::Cadence::Every(15 * kMinute, 0), kNow, std::nullopt, {});
    const auto unit = [&] { return static_cast<double>(random() % 1000) / 1000; };
    for (const auto& table : config.tables) {
      const bool lame = random() % 2 == 0;
      work.answers[table.name] = [&, lame](const auto& request) -> Result<offload::OffloadResult> {
        const uint64_t fate = random() % (lame ? 4 : 20);
        if (fate == 0) return MakeError(ErrorKind::kRetry, "no answer");
        if (fate == 1) return MakeError(ErrorKind::kValue, "too large");
        auto result = work.Move(request);
        if (fate == 2) result->held_by.emplace();
        return result;
      };
    }
    int cycles = 0, at_once = 0;
    while (clock.Now() < kNow + kMicrosPerDay) {
      const schedule::DueCycle due = schedule.Next(clock.Now());
      at_once = due.at <= clock.Now() ? at_once + 1 : 0;
      ASSERT_LE(at_once, 6) << "seed " << seed << ", cause " << CycleCauseName(due.cause);
      if (due.at > clock.Now()) clock.Set(due.at);
      schedule.OnStarted(clock.Now());
      work.now = clock.Now();
      CycleOptions options = served.OptionsFor(config, due.cause, clock.Now());
      FakeReporter reporter(config);
      // One at a time: fates are drawn in order.
      auto one = config;
      one.limits.tables = 1;
      const CycleReport report = RunCycle(one, options, work, stop, clock, reporter);
      schedule.OnFinished(clock.Now(), served.Learn(report, clock.Now(), unit), unit());
      ++cycles;
    }
    EXPECT_GE(cycles, 96);
    EXPECT_LT(cycles, 2000);
  }
}

}  // namespace
}  // namespace calve::cycle
