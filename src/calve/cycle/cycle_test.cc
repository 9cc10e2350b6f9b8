// One cycle: where windows end, and what becomes of the others when one table fails, is held or is told to wait.
#include "calve/cycle/cycle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "calve/cycle/testing_cycle_work.h"
#include "calve/schedule/testing_time.h"

namespace calve::cycle {
namespace {

using schedule::TableState;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

constexpr int64_t kMiB = 1 << 20;

class CycleTest : public ::testing::Test {
 protected:
  CycleReport Run(const std::vector<std::string>& names = {}) {
    options_.tables = ChooseTables(config_, names).ValueOrDie();
    reporter_.emplace(config_);
    return RunCycle(config_, options_, work_, stop_, clock_, *reporter_);
  }
  // Of the table's report; every table of the configuration must be in the cycle.
  static const TableReport& Of(const CycleReport& report, const std::string& name) {
    const auto found = std::ranges::find(report.tables, name, &TableReport::name);
    return found == report.tables.end() ? throw std::out_of_range(name) : *found;
  }
  static schedule::TableResult OutcomeOf(const CycleReport& report, const std::string& name) {
    return Of(report, name).outcome;
  }

  config::Config config_;
  CycleOptions options_;
  FakeWork work_;
  StopToken stop_;
  schedule::FakeClock clock_{5000};
  std::optional<FakeReporter> reporter_;
};

TEST_F(CycleTest, AWindowEndsAtTheLeastOfTheParentsWatermarks) {
  config_ = ConfigOf({{"silver", "b, a, c"}, {"a"}, {"b"}, {"c"}});
  for (auto [name, to] : {std::pair("a", 700), std::pair("b", 600), std::pair("c", 800)}) {
    work_.answers[name] = [this, to = to](offload::OffloadRequest request) {
      request.until = to;
      return work_.Move(request);
    };
  }
  const CycleReport report = Run();
  EXPECT_EQ(report.Count(TableState::kDone), 4u);
  EXPECT_EQ(work_.called().back(), "silver");
  EXPECT_EQ(work_.UntilOf("silver"), 600);
  EXPECT_EQ(work_.UntilOf("a"), std::nullopt);
  EXPECT_EQ(report.numbers, (std::vector<size_t>{0, 1, 2, 3}));
  EXPECT_EQ(Of(report, "silver").offload->watermark, 600);
}

TEST_F(CycleTest, UntilIsALimitBesideTheParents) {
  config_ = ConfigOf({{"a"}, {"b", "a"}});
  options_.until = 500;
  Run();
  EXPECT_EQ(work_.UntilOf("a"), 500);
  EXPECT_EQ(work_.UntilOf("b"), 500);

  work_.SetWatermark("a", std::optional<TimestampMicros>(300));
  options_.until = 900;
  Run({"b"});
  EXPECT_EQ(work_.UntilOf("b"), 300);
}

// What is left out of a cycle still stands between its tables.
TEST_F(CycleTest, ParentsThatAreLeftOutCountAsTheyStand) {
  config_ = ConfigOf({{"a"}, {"b", "a"}, {"c", "b"}});
  work_.SetWatermark("a", std::optional<TimestampMicros>(900));
  work_.SetWatermark("b", std::optional<TimestampMicros>(200));
  options_.until = 950;
  const CycleReport report = Run({"c", "a"});
  EXPECT_THAT(work_.called(), ElementsAre("a", "c"));
  EXPECT_EQ(work_.UntilOf("a"), 950);
  EXPECT_EQ(work_.UntilOf("c"), 200);
  EXPECT_EQ(report.numbers, (std::vector<size_t>{0, 2}));
  EXPECT_THAT(reporter_->started, ElementsAre(0, 2));  // numbers of the configuration
}

TEST_F(CycleTest, NothingIsOffloadedBehindAParentWithoutAWatermark) {
  config_ = ConfigOf({{"a"}, {"b", "a"}, {"c", "b"}, {"d"}});
  work_.SetWatermark("b", std::optional<TimestampMicros>(200));
  const CycleReport report = Run({"b", "c", "d"});
  EXPECT_THAT(work_.called(), ElementsAre("d"));
  EXPECT_EQ(OutcomeOf(report, "b").state, TableState::kSkipped);
  EXPECT_TRUE(OutcomeOf(report, "b").blocks);
  EXPECT_THAT(OutcomeOf(report, "b").reason, HasSubstr("comes after a, of which nothing is offloaded yet"));
  EXPECT_EQ(OutcomeOf(report, "c").state, TableState::kSkipped);
  EXPECT_THAT(OutcomeOf(report, "c").reason, HasSubstr("comes after b, which was skipped: it comes after a"));
  EXPECT_FALSE(Of(report, "b").offload);
}

TEST_F(CycleTest, AFailureStaysWithTheTableAndThoseAfterIt) {
  config_ = ConfigOf({{"a"}, {"b"}, {"after_a", "a"}, {"after_b", "b"}, {"last", "after_a, after_b"}});
  work_.Fail("a", ErrorKind::kValue);
  const CycleReport report = Run();
  EXPECT_THAT(work_.called(), UnorderedElementsAre("a", "b", "after_b"));
  EXPECT_EQ(OutcomeOf(report, "a").state, TableState::kFailed);
  EXPECT_EQ(KindOf(OutcomeOf(report, "a").status), ErrorKind::kValue);
  EXPECT_EQ(MessageOf(OutcomeOf(report, "a").status), "a: broken");
  EXPECT_EQ(OutcomeOf(report, "after_a").reason, "it comes after a, which failed");
  EXPECT_EQ(OutcomeOf(report, "last").reason, "it comes after a, which failed");
  EXPECT_EQ(report.Count(TableState::kDone), 2u);
  EXPECT_EQ(report.Count(TableState::kFailed), 1u);
  EXPECT_EQ(report.Count(TableState::kSkipped), 2u);
  // Everybody is told of, once, and only those that were called began.
  EXPECT_THAT(reporter_->started, UnorderedElementsAre(0, 1, 3));
  EXPECT_EQ(reporter_->ended.size(), 5u);
}

TEST_F(CycleTest, AThrownExceptionIsTheTablesFailure) {
  config_ = ConfigOf({{"a"}, {"b", "a"}, {"c"}});
  work_.answers["a"] = [](const auto&) -> Result<offload::OffloadResult> { throw std::runtime_error("thrown"); };
  const CycleReport report = Run();
  EXPECT_EQ(OutcomeOf(report, "a").state, TableState::kFailed);
  EXPECT_EQ(OutcomeOf(report, "b").state, TableState::kSkipped);
  EXPECT_EQ(OutcomeOf(report, "c").state, TableState::kDone);
}

// It is worked on all the same: those after it go by what is committed of it.
TEST_F(CycleTest, ATableThatAnotherCalveHoldsBlocksNobody) {
  config_ = ConfigOf({{"a"}, {"b", "a"}});
  work_.SetWatermark("a", std::optional<TimestampMicros>(400));
  work_.answers["a"] = [](const auto& request) {
    offload::OffloadResult result;
    result.table = request.source_table;
    result.held_by.emplace();
    result.held_by->host = "elsewhere";
    result.held_by->pid = 77;
    return result;
  };
  const CycleReport report = Run();
  EXPECT_EQ(OutcomeOf(report, "a").state, TableState::kSkipped);
  EXPECT_FALSE(OutcomeOf(report, "a").blocks);
  EXPECT_THAT(OutcomeOf(report, "a").reason, AllOf(HasSubstr("process 77 on elsewhere")));
  EXPECT_TRUE(Of(report, "a").offload.has_value());
  EXPECT_EQ(OutcomeOf(report, "b").state, TableState::kDone);
  EXPECT_EQ(work_.UntilOf("b"), 400);
}

// Nothing is committed, so that the parents' watermarks are where they were.
TEST_F(CycleTest, ADryRunPlansBehindWhatTheParentsWouldDo) {
  config_ = ConfigOf({{"a"}, {"b", "a"}, {"c", "b"}, {"idle"}, {"after_idle", "idle"}});
  work_.SetWatermark("a", std::optional<TimestampMicros>(100));
  work_.SetWatermark("idle", std::optional<TimestampMicros>(1000));
  options_.dry_run = true;
  const CycleReport report = Run();
  EXPECT_EQ(report.Count(TableState::kDone), 5u);
  EXPECT_EQ(work_.UntilOf("b"), 1000);
  EXPECT_EQ(work_.UntilOf("c"), 1000);           // b does not exist yet
  EXPECT_EQ(work_.UntilOf("after_idle"), 1000);  // an empty window: as it stands
  for (const char* name : {"a", "b", "c"}) EXPECT_TRUE(work_.RequestTo(name).dry_run);
  EXPECT_FALSE(report.progressed());
  // Of one that is left out only the watermark is known.
  EXPECT_THAT(OutcomeOf(Run({"c"}), "c").reason, HasSubstr("comes after b"));
}

TEST_F(CycleTest, ADryRunWithALimitPlansNoDependentBeyondIt) {
  config_ = ConfigOf({{"a"}, {"b", "a"}});
  options_.dry_run = true;
  options_.until = 300;
  Run();
  EXPECT_EQ(work_.UntilOf("b"), 300);
}

TEST_F(CycleTest, AWatermarkThatCannotBeReadFailsTheDependentAlone) {
  config_ = ConfigOf({{"a"}, {"b", "a"}, {"c"}});
  work_.SetWatermark("a", MakeError(ErrorKind::kRetry, "no answer"));
  const CycleReport report = Run({"b", "c"});
  EXPECT_THAT(work_.called(), ElementsAre("c"));
  EXPECT_EQ(OutcomeOf(report, "b").state, TableState::kFailed);
  EXPECT_EQ(KindOf(OutcomeOf(report, "b").status), ErrorKind::kRetry);
  EXPECT_THAT(MessageOf(OutcomeOf(report, "b").status),
              HasSubstr("b: the watermark of a, which it comes after: no answer"));
}

TEST_F(CycleTest, WhatIsPutAsideIsNotCalledAndBlocks) {
  config_ = ConfigOf({{"a"}, {"b"}, {"c", "b"}});
  options_.skip = {std::nullopt, "put aside"};  // shorter than the tables
  const CycleReport report = Run();
  EXPECT_THAT(work_.called(), ElementsAre("a"));
  EXPECT_EQ(OutcomeOf(report, "b").reason, "put aside");
  EXPECT_FALSE(OutcomeOf(report, "b").started);
  EXPECT_EQ(OutcomeOf(report, "c").reason, "it comes after b, which was skipped: put aside");
}

// By numbers of the configuration, not of the cycle.
TEST_F(CycleTest, SkipGoesByTheConfigurationsNumbers) {
  config_ = ConfigOf({{"a"}, {"b"}, {"c"}});
  options_.skip = {std::nullopt, std::nullopt, "put aside"};
  const CycleReport report = Run({"b", "c"});
  EXPECT_THAT(work_.called(), ElementsAre("b"));
  EXPECT_EQ(OutcomeOf(report, "c").reason, "put aside");
}

TEST_F(CycleTest, WhatTheConfigurationAndTheCycleSayReachesTheRequest) {
  config_ = ConfigOf({{"a", "", "where: \"x > 1\"", "covers: 1h"}});
  options_.longest_micros = 77;
  Run();
  EXPECT_EQ(work_.RequestTo("a").longest_micros, 77);
  EXPECT_EQ(work_.RequestTo("a").covers_micros, 3600 * kMicrosPerSecond);
  EXPECT_EQ(work_.RequestTo("a").where, "x > 1");
  EXPECT_FALSE(work_.RequestTo("a").dry_run);
  EXPECT_THAT(reporter_->NotesOf(0), ElementsAre("called"));
}

class Limits : public CycleTest {
 protected:
  void RunSix(const std::string& limits, size_t expected, const std::string& more = "") {
    std::vector<TableLine> lines;
    for (const char* name : {"a", "b", "c", "d", "e", "f"}) lines.push_back({name, "", more});
    config_ = ConfigOf(lines, limits);
    work_.gather = expected;
    EXPECT_EQ(Run().Count(TableState::kDone), 6u);
    EXPECT_EQ(work_.most(), expected);
  }
};

TEST_F(Limits, Tables) { RunSix("tables: 3", 3); }
TEST_F(Limits, Connections) { RunSix("tables: 3, connections: 2", 2); }
TEST_F(Limits, MoreConnectionsThanTables) { RunSix("tables: 2, connections: 5", 2); }
TEST_F(Limits, ConnectionsOfReaders) { RunSix("tables: 4, connections: 5", 2, "readers: 2"); }
TEST_F(Limits, Memory) {
  RunSix("tables: 6, memory: 1GiB", 3, "memory: 300MiB");
  EXPECT_EQ(work_.memory_most(), 900 * kMiB);
}

TEST_F(CycleTest, AStopLetsTheTableAtHandEndAndBeginsNoOther) {
  config_ = ConfigOf({{"a"}, {"b"}, {"c", "a"}}, "tables: 1");
  work_.on_call = [&](const auto&) { stop_.RequestStop(15); };
  CycleReport report = Run();
  EXPECT_THAT(work_.called(), ElementsAre("a"));
  EXPECT_EQ(OutcomeOf(report, "a").state, TableState::kDone);
  EXPECT_EQ(OutcomeOf(report, "b").state, TableState::kStopped);
  EXPECT_EQ(OutcomeOf(report, "c").state, TableState::kStopped);
  EXPECT_FALSE(OutcomeOf(report, "b").started);
}

TEST_F(CycleTest, ATableThatObeysTheStopIsStoppedNotFailed) {
  config_ = ConfigOf({{"a"}, {"b", "a"}});
  work_.on_call = [&](const auto&) { stop_.RequestStop(15); };
  work_.Fail("a", ErrorKind::kStopped);
  CycleReport report = Run();
  EXPECT_EQ(report.Count(TableState::kStopped), 2u);
  EXPECT_TRUE(OutcomeOf(report, "a").started);
}

TEST_F(CycleTest, TheReportTellsOfBacklogAndProgress) {
  config_ = ConfigOf({{"a"}, {"b"}});
  work_.SetWatermark("b", std::optional<TimestampMicros>(1000));
  CycleReport report = Run();
  EXPECT_TRUE(report.progressed());
  EXPECT_FALSE(report.backlog());
  EXPECT_EQ(report.started, 5000);
  report = Run();
  EXPECT_FALSE(report.progressed());
  work_.answers["b"] = [](const auto&) {
    offload::OffloadResult result;
    result.backlog = true;
    return result;
  };
  report = Run();
  EXPECT_TRUE(report.backlog());
  EXPECT_FALSE(report.progressed());
  EXPECT_FALSE(CycleReport().backlog());
}

TEST(ChooseTables, ByNameInTheConfigurationsOrder) {
  const auto config = ConfigOf({{"trades"}, {"quotes"}, {"candles"}});
  EXPECT_THAT(*ChooseTables(config, {}), ElementsAre(0, 1, 2));
  EXPECT_THAT(*ChooseTables(config, {"candles", "trades", "candles"}), ElementsAre(0, 2));
}

TEST(ChooseTables, OneThatIsNotThere) {
  const auto config = ConfigOf({{"trades"}, {"quotes"}});
  Status near = ChooseTables(config, {"quotes", "trade"}).status();
  EXPECT_EQ(KindOf(near), ErrorKind::kConfig);
  EXPECT_EQ(MessageOf(near), "calve.yaml has no table 'trade'");
  EXPECT_EQ(RemedyOf(near), "Did you mean trades?");
  EXPECT_EQ(RemedyOf(ChooseTables(config, {"zzzzzzzzzz"}).status()), "It has: trades, quotes.");
  EXPECT_FALSE(ChooseTables(config, {""}).ok());
}

}  // namespace
}  // namespace calve::cycle
