#include "calve/schedule/serve_loop.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <stdexcept>
#include <thread>

#include "calve/schedule/testing_time.h"

namespace calve::schedule {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr int64_t kLoopSecond = kMicrosPerSecond, kLoopMinute = 60 * kLoopSecond;

// "10:15:00"
std::string TimeOf(TimestampMicros t) { return FormatTimestamp(t).substr(11, 8); }

class ServeLoopTest : public testing::Test, public ServeObserver {
 protected:
  static TimestampMicros T(const char* time) { return At((std::string("2026-11-24T") + time + "Z").c_str()); }

  // The loop at 10:07 with a last cycle at 10:00, every 15 minutes, until `end`.
  ServeOutcome Serve(CycleFunction cycle, const char* end = "11:00:00", ServeOptions options = {}) {
    if (!options.last_cycle) options.last_cycle = T("10:00:00");
    options.retry = {.wait_min_ms = 60'000, .wait_max_ms = 60'000};
    waiter_ = std::make_unique<FakeWaiter>(clock_, stop_, T(end));
    for (auto& [time, event] : plans_) waiter_->Plan(time, event);
    if (stop_is_obeyed_) waiter_->StopIsObeyed();
    loop_ = std::make_unique<ServeLoop>(
        Cadence::Every(15 * kLoopMinute).ValueOrDie(), options,
        [this, cycle](const DueCycle& due) {
          EXPECT_EQ(++inside_, 1) << "two cycles at once";
          std::unique_ptr<std::atomic<int>, void (*)(std::atomic<int>*)> leave(&inside_,
                                                                               [](auto* inside) { --*inside; });
          return cycle(due);
        },
        [this] { return reload_(); }, stop_, clock_, *waiter_, *this);
    return loop_->Run();
  }
  void Plan(const char* time, std::function<void()> event) { plans_.emplace_back(T(time), std::move(event)); }

  // A cycle that takes so long and has nothing to tell.
  CycleFunction Taking(int64_t micros) {
    return [this, micros](const DueCycle&) {
      clock_.Advance(micros);
      return CycleReport{};
    };
  }

  void OnWaiting(const DueCycle& next) override { waited_for_.push_back(TimeOf(next.at)); }
  void OnCycleStarted(const DueCycle& cycle) override {
    cycles_.push_back(TimeOf(clock_.Now()) + " " + std::string(CycleCauseName(cycle.cause)));
  }
  void OnCycleFinished(const DueCycle&, const Result<CycleReport>& report) override {
    if (!report.ok()) errors_.push_back(MessageOf(report.status()));
  }
  void OnReloaded(const Cadence& cadence) override {
    reloads_.push_back(TimeOf(clock_.Now()) + " " + cadence.ToString());
  }
  void OnReloadFailed(const Status& status) override {
    reloads_.push_back(TimeOf(clock_.Now()) + " " + MessageOf(status));
  }
  void OnStopping(std::optional<TimestampMicros> limit) override {
    stops_.push_back(limit ? "until " + TimeOf(*limit) : "idle");
  }

  StopToken stop_;
  FakeClock clock_{At("2026-11-24T10:07:00Z")};
  std::function<Result<Cadence>()> reload_ = [] { return Cadence::Every(10 * kLoopMinute); };
  bool stop_is_obeyed_ = false;
  std::vector<std::pair<TimestampMicros, std::function<void()>>> plans_;
  std::atomic<int> inside_{0};
  std::vector<std::string> waited_for_, cycles_, errors_, reloads_, stops_;
  std::unique_ptr<FakeWaiter> waiter_;
  std::unique_ptr<ServeLoop> loop_;  // last: what it uses outlives it
};

TEST_F(ServeLoopTest, RunsAtItsTimesUntilItIsStopped) {
  ServeOutcome outcome = Serve(Taking(kLoopMinute), "10:50:00");
  EXPECT_EQ(outcome.end, ServeEnd::kStopped);
  EXPECT_THAT(cycles_, ElementsAre("10:15:00 schedule", "10:30:00 schedule", "10:45:00 schedule"));
  EXPECT_THAT(waited_for_, ElementsAre("10:15:00", "10:30:00", "10:45:00", "11:00:00"));
  EXPECT_THAT(stops_, ElementsAre("idle"));
  EXPECT_EQ(clock_.Now(), T("10:50:00"));
}

TEST_F(ServeLoopTest, AnOverrunIsFollowedByOneCycleAtOnce) {
  int count = 0;
  Serve(
      [&](const DueCycle& due) {
        EXPECT_EQ(due.stands_for, count == 1 ? 2 : 1);
        clock_.Advance(count++ == 0 ? 40 * kLoopMinute : kLoopMinute);
        return CycleReport{};
      },
      "11:10:00");
  EXPECT_THAT(cycles_, ElementsAre("10:15:00 schedule", "10:55:00 missed", "11:00:00 schedule"));
}

TEST_F(ServeLoopTest, AfterDowntimeTheFirstCycleBeginsAtOnce) {
  Serve(Taking(kLoopMinute), "10:20:00", {.last_cycle = T("07:00:00")});
  EXPECT_THAT(cycles_, ElementsAre("10:07:00 missed", "10:15:00 schedule"));
}

TEST_F(ServeLoopTest, ABacklogIsCaughtUpWith) {
  int left = 3;
  Serve(
      [&](const DueCycle&) {
        clock_.Advance(2 * kLoopMinute);
        return CycleReport{.backlog = --left > 0, .progressed = true};
      },
      "10:40:00");
  EXPECT_THAT(cycles_, ElementsAre("10:15:00 schedule", "10:17:00 backlog", "10:19:00 backlog", "10:30:00 schedule"));
}

TEST_F(ServeLoopTest, RetriesAndRepeats) {
  int count = 0;
  ServeOutcome outcome = Serve(
      [&](const DueCycle&) -> Result<CycleReport> {
        switch (count++) {
          case 0:
            return CycleReport{.retry_at = clock_.Now() + kLoopMinute};
          case 2:
            throw std::runtime_error("broken");
          case 3:
            return MakeError(ErrorKind::kRetry, "no catalog");
          default:
            return CycleReport{};
        }
      },
      "10:50:00");
  ASSERT_EQ(cycles_.size(), 6u);
  EXPECT_EQ(cycles_[1], "10:16:00 retry");
  EXPECT_EQ(cycles_[2], "10:30:00 schedule");
  EXPECT_THAT(cycles_[3], HasSubstr("repeat"));
  EXPECT_THAT(cycles_[4], HasSubstr("repeat"));
  EXPECT_EQ(cycles_[5], "10:45:00 schedule");
  EXPECT_THAT(errors_, ElementsAre("cycle: broken", "no catalog"));
  EXPECT_TRUE(outcome.last_cycle.ok());
}

TEST_F(ServeLoopTest, OnceIsOneCycleNowAndItsBacklog) {
  int left = 2;
  ServeOutcome outcome = Serve(
      [&](const DueCycle&) {
        return CycleReport{.backlog = --left > 0, .progressed = true, .retry_at = clock_.Now() + kLoopMinute};
      },
      "11:00:00", {.once = true});
  EXPECT_EQ(outcome.end, ServeEnd::kOnceDone);
  EXPECT_THAT(cycles_, ElementsAre("10:07:00 on-demand", "10:07:00 backlog"));
  EXPECT_THAT(waited_for_, ElementsAre());
}

TEST_F(ServeLoopTest, OnceTellsHowItFailed) {
  ServeOutcome outcome =
      Serve([](const DueCycle&) { return MakeError(ErrorKind::kConfig, "no source"); }, "11:00:00", {.once = true});
  EXPECT_EQ(outcome.end, ServeEnd::kOnceDone);
  EXPECT_EQ(KindOf(outcome.last_cycle), ErrorKind::kConfig);
}

TEST_F(ServeLoopTest, RunsOnDemand) {
  Plan("10:09:00", [&] { loop_->RequestRun(); });
  int count = 0;
  Serve(
      [&](const DueCycle&) {
        if (++count == 2) {  // amid a cycle: one more after it, however often it was asked for
          loop_->RequestRun();
          loop_->RequestRun();
        }
        clock_.Advance(kLoopMinute);
        return CycleReport{};
      },
      "10:20:00");
  EXPECT_THAT(cycles_, ElementsAre("10:09:00 on-demand", "10:15:00 schedule", "10:16:00 on-demand"));
}

TEST_F(ServeLoopTest, ReloadsOnASignalWhileIdle) {
  Plan("10:08:00", [&] { EXPECT_TRUE(stop_.RequestReload()); });
  Serve(Taking(kLoopMinute), "10:35:00");
  EXPECT_THAT(reloads_, ElementsAre("10:08:00 every 10m"));
  EXPECT_THAT(cycles_, ElementsAre("10:10:00 schedule", "10:20:00 schedule", "10:30:00 schedule"));
}

TEST_F(ServeLoopTest, ReloadsBetweenCyclesOnly) {
  reload_ = [&] {
    EXPECT_EQ(inside_, 0);
    return Cadence::Every(10 * kLoopMinute);
  };
  Serve(
      [&](const DueCycle&) {
        if (cycles_.size() == 1) stop_.RequestReload();
        clock_.Advance(kLoopMinute);
        return CycleReport{};
      },
      "10:25:00");
  EXPECT_THAT(reloads_, ElementsAre("10:16:00 every 10m"));
  EXPECT_THAT(cycles_, ElementsAre("10:15:00 schedule", "10:20:00 schedule"));
}

TEST_F(ServeLoopTest, AReloadThatFailsLeavesWhatWasInForce) {
  int count = 0;
  reload_ = [&]() -> Result<Cadence> {
    if (++count == 2) throw std::runtime_error("no such file");
    return MakeError(ErrorKind::kConfig, "line 3: unknown key");
  };
  Plan("10:08:00", [&] { stop_.RequestReload(); });
  Plan("10:09:00", [&] { stop_.RequestReload(); });
  Serve(Taking(kLoopMinute), "10:20:00");
  EXPECT_THAT(reloads_, ElementsAre("10:08:00 line 3: unknown key", "10:09:00 reload: no such file"));
  EXPECT_THAT(cycles_, ElementsAre("10:15:00 schedule"));
}

TEST_F(ServeLoopTest, AStopBeforeTheBeginning) {
  stop_.RequestStop(2);
  EXPECT_EQ(Serve(Taking(0), "11:00:00", {.once = true}).end, ServeEnd::kStopped);
  EXPECT_THAT(cycles_, ElementsAre());
  EXPECT_THAT(stops_, ElementsAre("idle"));
}

TEST_F(ServeLoopTest, AStopAmidACycleWaitsForItsEnd) {
  stop_is_obeyed_ = true;
  ServeOutcome outcome = Serve(
      [&](const DueCycle&) -> Result<CycleReport> {
        stop_.RequestStop(15);
        return stop_.Check();
      },
      "11:00:00", {.stop_limit_micros = 10 * kLoopSecond});
  EXPECT_EQ(outcome.end, ServeEnd::kStopped);
  EXPECT_EQ(KindOf(outcome.last_cycle), ErrorKind::kStopped);
  EXPECT_THAT(cycles_, ElementsAre("10:15:00 schedule"));
  ASSERT_EQ(stops_.size(), 1u) << "told once";
  EXPECT_EQ(inside_, 0);
}

TEST_F(ServeLoopTest, ACycleThatDoesNotStopInTime) {
  std::latch release(1);
  ServeOutcome outcome = Serve(
      [&](const DueCycle&) {
        stop_.RequestStop(15);
        release.wait();
        return CycleReport{};
      },
      "11:00:00", {.stop_limit_micros = 10 * kLoopSecond});
  EXPECT_EQ(outcome.end, ServeEnd::kDidNotStop);
  EXPECT_THAT(stops_, ElementsAre("until 10:15:10"));
  EXPECT_EQ(clock_.Now(), T("10:15:10"));
  EXPECT_EQ(inside_, 1);
  release.count_down();
  loop_.reset();  // waits for it
  EXPECT_EQ(inside_, 0);
}

// The real waiter and a real clock: nothing of the above depends on the fakes' order of things.
TEST_F(ServeLoopTest, StopsWithTheRealWaiter) {
  SystemWaiter waiter;
  SystemClock clock;
  std::atomic<int> cycles{0};
  ServeLoop loop(
      Cadence::Every(366 * kMicrosPerDay).ValueOrDie(), {.last_cycle = clock.Now()},
      [&](const DueCycle&) {
        if (++cycles == 3) stop_.RequestStop(15);
        return CycleReport{.backlog = true, .progressed = true};
      },
      [this] { return reload_(); }, stop_, clock, waiter, *this);
  std::jthread other([&] { loop.RequestRun(); });
  EXPECT_EQ(loop.Run().end, ServeEnd::kStopped);
  EXPECT_EQ(cycles, 3);
}

// Idle work that goes on until it is asked to end, and notes when.
class EndlessWork : public IdleWork {
 public:
  EndlessWork(FakeClock& clock, TimestampMicros next) : clock_(clock), next_(next) {}
  std::optional<TimestampMicros> NextAt() override { return next_; }
  void Work(const StopToken& stop) noexcept override {
    began.push_back(TimeOf(clock_.Now()));
    working = true;
    began_.count_down();
    while (!stop.stopped() || is_deaf) std::this_thread::yield();
    working = false;
  }
  // The fake time does not go on before it has begun.
  void WaitUntilBegun() { began_.wait(); }

  std::vector<std::string> began;  // by Work; read when the loop has ended
  std::atomic<bool> working{false}, is_deaf{false};

 private:
  FakeClock& clock_;
  const TimestampMicros next_;
  std::latch began_{1};
};

TEST_F(ServeLoopTest, IdleWorkIsDoneBetweenCyclesAndGivesWayToThem) {
  EndlessWork work(clock_, T("10:08:00"));
  ServeOptions options;
  options.idle = &work;
  Plan("10:14:00", [&] { work.WaitUntilBegun(); });
  const auto cycle = [&](const DueCycle&) -> Result<CycleReport> {
    EXPECT_FALSE(work.working) << "a cycle beside idle work";
    clock_.Advance(kLoopMinute);
    return CycleReport{};
  };
  EXPECT_EQ(Serve(cycle, "10:40:00", options).end, ServeEnd::kStopped);
  EXPECT_THAT(cycles_, ElementsAre("10:15:00 schedule", "10:30:00 schedule"));
  ASSERT_FALSE(work.began.empty());
  EXPECT_GE(work.began.front(), "10:08:00");  // not before its time
  EXPECT_FALSE(work.working) << "the loop ended before its idle work";
  loop_.reset();
}

TEST_F(ServeLoopTest, ACycleDoesNotWaitForEverForIdleWorkThatDoesNotEnd) {
  EndlessWork work(clock_, T("10:08:00"));
  work.is_deaf = true;
  ServeOptions options;
  options.idle = &work;
  options.give_way_micros = 1000;
  options.stop_limit_micros = 1000;
  Plan("10:14:00", [&] { work.WaitUntilBegun(); });
  int beside = 0;
  const auto cycle = [&](const DueCycle&) -> Result<CycleReport> {
    if (work.working) ++beside;
    return CycleReport{};
  };
  EXPECT_EQ(Serve(cycle, "10:40:00", options).end, ServeEnd::kDidNotStop);
  EXPECT_THAT(cycles_, ElementsAre("10:15:00 schedule", "10:30:00 schedule"));
  EXPECT_EQ(beside, 2);
  EXPECT_EQ(work.began.size(), 1u) << "two pieces of idle work at once";
  work.is_deaf = false;
  loop_.reset();
}

TEST_F(ServeLoopTest, OnceIsACycleAndNoIdleWork) {
  EndlessWork work(clock_, T("10:00:00"));
  ServeOptions options;
  options.idle = &work;
  options.once = true;
  EXPECT_EQ(Serve(Taking(kLoopMinute), "11:00:00", options).end, ServeEnd::kOnceDone);
  EXPECT_TRUE(work.began.empty());
}

}  // namespace
}  // namespace calve::schedule
