#include "calve/schedule/cycle_run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <stdexcept>

#include "calve/schedule/testing_cycle.h"
#include "calve/schedule/testing_time.h"

namespace calve::schedule {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

using Event = CycleRecord::Event;

class CycleRunTest : public testing::Test {
 protected:
  CycleResult Run(const TableGraph& graph, const std::vector<CycleTable>& tables, const CycleLimits& limits,
                  const TableFunction& function) {
    record_ = std::make_unique<CycleRecord>(graph, tables, limits);
    return RunCycle(
        graph, tables, limits,
        [&](size_t table) {
          CycleRecord::Visit visit(*record_, table);
          return function(table);
        },
        stop_, clock_, record_.get());
  }

  static TableGraph Independent(size_t count) {
    std::vector<TableNode> nodes;
    for (size_t i = 0; i < count; ++i) nodes.push_back({std::to_string(i), {}});
    return TableGraph::Make(nodes).ValueOrDie();
  }
  // 0 binance, 1 kraken → 2 silver → 3 gold; 4 other
  static TableGraph Platform() {
    return TableGraph::Make({{"binance", {}},
                             {"kraken", {}},
                             {"silver", {"binance", "kraken"}},
                             {"gold", {"silver"}},
                             {"other", {}}})
        .ValueOrDie();
  }
  static TableOutcome Failure() { return TableOutcome::Failed(MakeError(ErrorKind::kRetry, "no connection")); }

  StopToken stop_;
  FakeClock clock_{At("2026-11-24T10:00:00Z")};
  std::unique_ptr<CycleRecord> record_;
};

TEST_F(CycleRunTest, OneAtATimeInTheGivenOrder) {
  CycleResult result = Run(Platform(), {}, {}, [&](size_t) {
    clock_.Advance(kMicrosPerSecond);
    return TableOutcome::Done();
  });
  EXPECT_THAT(record_->Of(Event::kStarted), ElementsAre(0, 1, 2, 3, 4));
  EXPECT_EQ(result.Count(TableState::kDone), 5u);
  EXPECT_EQ(result.started, At("2026-11-24T10:00:00Z"));
  EXPECT_EQ(result.tables[1].started, At("2026-11-24T10:00:01Z"));
  EXPECT_EQ(result.tables[1].finished, At("2026-11-24T10:00:02Z"));
  EXPECT_EQ(result.finished, At("2026-11-24T10:00:05Z"));
}

TEST_F(CycleRunTest, TheLongestExpectedGoesFirst) {
  Run(Independent(4), {{}, {.expected_micros = 5}, {.expected_micros = 9}, {.expected_micros = 5}}, {},
      [](size_t) { return TableOutcome::Done(); });
  EXPECT_THAT(record_->Of(Event::kStarted), ElementsAre(2, 1, 3, 0));
}

TEST_F(CycleRunTest, AsManyAtOnceAsAllowed) {
  std::mutex mutex;
  std::condition_variable all_there;
  size_t there = 0;
  // Three of seven wait for each other: fewer at once would wait in vain.
  CycleResult result = Run(Independent(7), {}, {.parallel = 3}, [&](size_t) {
    std::unique_lock lock(mutex);
    ++there;
    all_there.notify_all();
    EXPECT_TRUE(all_there.wait_for(lock, std::chrono::seconds(20), [&] { return there >= 3; }));
    return TableOutcome::Done();
  });
  EXPECT_EQ(result.Count(TableState::kDone), 7u);
  EXPECT_EQ(record_->most(), 3u);
}

TEST_F(CycleRunTest, NoThreadsForNothing) {
  EXPECT_THAT(Run(Independent(0), {}, {.parallel = 8}, [](size_t) { return TableOutcome::Done(); }).tables, IsEmpty());
  EXPECT_EQ(
      Run(Independent(2), {}, {.parallel = 0}, [](size_t) { return TableOutcome::Done(); }).Count(TableState::kDone),
      2u);
}

TEST_F(CycleRunTest, AFailureSkipsDependentsAlone) {
  CycleResult result =
      Run(Platform(), {}, {.parallel = 2}, [](size_t table) { return table == 1 ? Failure() : TableOutcome::Done(); });
  EXPECT_EQ(result.tables[0].state, TableState::kDone);
  EXPECT_EQ(result.tables[4].state, TableState::kDone);
  EXPECT_EQ(result.tables[1].state, TableState::kFailed);
  EXPECT_EQ(MessageOf(result.tables[1].status), "no connection");
  for (size_t table : {2, 3}) {
    EXPECT_EQ(result.tables[table].state, TableState::kSkipped);
    EXPECT_EQ(result.tables[table].reason, "it comes after kraken, which failed");
    EXPECT_EQ(result.tables[table].blocked_by, 1u);
    EXPECT_FALSE(result.tables[table].started.has_value());
  }
  EXPECT_THAT(record_->Of(Event::kSkipped), ElementsAre(2, 3));
}

TEST_F(CycleRunTest, AHarmlessSkipBlocksNobody) {
  CycleResult result = Run(Platform(), {}, {}, [](size_t table) {
    return table == 1 ? TableOutcome::Skipped("another calve works on it", false) : TableOutcome::Done();
  });
  EXPECT_EQ(result.tables[1].state, TableState::kSkipped);
  EXPECT_EQ(result.Count(TableState::kDone), 4u);
  EXPECT_THAT(record_->Of(Event::kSkipped), IsEmpty()) << "it was called, so it finished";
}

TEST_F(CycleRunTest, ASkipThatBlocks) {
  CycleResult result = Run(Platform(), {}, {}, [](size_t table) {
    return table == 1 ? TableOutcome::Skipped("not there yet", true) : TableOutcome::Done();
  });
  EXPECT_EQ(result.tables[2].reason, "it comes after kraken, which was skipped: not there yet");
  EXPECT_EQ(result.tables[3].blocked_by, 1u);
  EXPECT_EQ(result.Count(TableState::kDone), 2u);
}

TEST_F(CycleRunTest, TablesPutAsideAreNotCalled) {
  CycleResult result =
      Run(Platform(), {{.skip = "put aside until noon"}}, {}, [](size_t) { return TableOutcome::Done(); });
  EXPECT_EQ(result.tables[0].reason, "put aside until noon");
  EXPECT_EQ(result.tables[0].blocked_by, std::nullopt);
  EXPECT_EQ(result.tables[3].reason, "it comes after binance, which was skipped: put aside until noon");
  EXPECT_THAT(record_->called(), ElementsAre(1, 4));
}

TEST_F(CycleRunTest, ExceptionsAndEmptyFailuresAreFailures) {
  CycleResult result = Run(Independent(3), {}, {.parallel = 2}, [](size_t table) -> TableOutcome {
    if (table == 0) throw std::runtime_error("bad thing");
    if (table == 1) throw 7;
    return {.state = TableState::kFailed};
  });
  EXPECT_EQ(MessageOf(result.tables[0].status), "table '0': bad thing");
  EXPECT_THAT(MessageOf(result.tables[1].status), HasSubstr("unknown exception"));
  EXPECT_FALSE(result.tables[2].status.ok());
  EXPECT_EQ(result.Count(TableState::kFailed), 3u);
}

TEST_F(CycleRunTest, AfterAStopNothingBegins) {
  CycleResult result = Run(Platform(), {}, {}, [&](size_t table) {
    if (table == 1) stop_.RequestStop(15);
    return TableOutcome::Done();  // it was fast enough
  });
  EXPECT_THAT(record_->called(), ElementsAre(0, 1));
  EXPECT_EQ(result.Count(TableState::kDone), 2u);
  EXPECT_EQ(result.Count(TableState::kStopped), 3u);
  EXPECT_EQ(KindOf(result.tables[3].status), ErrorKind::kStopped);
  EXPECT_FALSE(result.tables[3].started.has_value());
}

TEST_F(CycleRunTest, AStopWaitsForWhatRuns) {
  std::atomic<int> inside{0}, ended{0};
  CycleResult result = Run(Independent(6), {}, {.parallel = 3}, [&](size_t) {
    if (++inside == 3) stop_.RequestStop();
    while (!stop_.stopped()) std::this_thread::yield();
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    ++ended;
    return TableOutcome::Failed(stop_.Check());
  });
  EXPECT_EQ(ended, 3);
  EXPECT_EQ(result.Count(TableState::kStopped), 6u);
  EXPECT_TRUE(result.tables[0].finished.has_value());
  EXPECT_FALSE(result.tables[5].finished.has_value());
}

TEST_F(CycleRunTest, StoppedBeforeItBegan) {
  stop_.RequestStop();
  CycleResult result =
      Run(Platform(), {{.skip = "aside"}}, {.parallel = 4}, [](size_t) { return TableOutcome::Done(); });
  EXPECT_EQ(result.Count(TableState::kStopped), 5u);
  EXPECT_THAT(record_->called(), IsEmpty());
}

TEST_F(CycleRunTest, ATableThatSaysItWasStoppedBlocksItsDependents) {
  CycleResult result = Run(Platform(), {}, {}, [](size_t table) {
    return table == 0 ? TableOutcome::Failed(MakeError(ErrorKind::kStopped, "stopped")) : TableOutcome::Done();
  });
  EXPECT_EQ(result.tables[2].reason, "it comes after binance, which was stopped");
  EXPECT_EQ(result.tables[4].state, TableState::kDone);
}

TEST_F(CycleRunTest, MemoryIsSharedAndNobodyOvertakes) {
  // 1 does not fit beside 0, and 2 would: it must not go first.
  std::vector<CycleTable> tables = {{.memory_bytes = 60}, {.memory_bytes = 60}, {.memory_bytes = 10}};
  CycleResult result = Run(Independent(3), tables, {.parallel = 3, .memory_bytes = 100}, [](size_t table) {
    if (table == 0) std::this_thread::sleep_for(std::chrono::milliseconds(100));
    return TableOutcome::Done();
  });
  EXPECT_EQ(result.Count(TableState::kDone), 3u);
  EXPECT_THAT(record_->Of(Event::kStarted), ElementsAre(0, 1, 2));
}

TEST_F(CycleRunTest, ATableLargerThanTheMemoryRunsAlone) {
  std::vector<CycleTable> tables(5);
  tables[2].memory_bytes = std::numeric_limits<int64_t>::max();
  tables[3].memory_bytes = 1;
  std::atomic<int> inside{0};
  CycleResult result = Run(Independent(5), tables, {.parallel = 4, .memory_bytes = 100}, [&](size_t table) {
    ++inside;
    for (int i = 0; i < 20; ++i) {
      EXPECT_TRUE(table != 2 || inside == 1);
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    --inside;
    return TableOutcome::Done();
  });
  EXPECT_EQ(result.Count(TableState::kDone), 5u);
}

TEST_F(CycleRunTest, AnObserverThatThrowsFailsNothing) {
  class Thrower : public CycleObserver {
   public:
    void OnTableStarted(size_t) override { throw std::runtime_error("started"); }
    void OnTableFinished(size_t, const TableResult&) override { throw 1; }
    void OnTableSkipped(size_t, const TableResult&) override { throw 2; }
  } thrower;
  CycleResult result = RunCycle(
      Platform(), {}, {.parallel = 2}, [](size_t table) { return table == 0 ? Failure() : TableOutcome::Done(); },
      stop_, clock_, &thrower);
  EXPECT_EQ(result.Count(TableState::kDone), 2u);
  EXPECT_EQ(result.Count(TableState::kSkipped), 2u);
  RunCycle(
      Platform(), {}, {.parallel = 2}, [](size_t) { return TableOutcome::Done(); }, stop_, clock_, nullptr);
}

}  // namespace
}  // namespace calve::schedule
