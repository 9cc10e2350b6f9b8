#include "calve/serve/server_state.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "calve/schedule/testing_time.h"
#include "calve/serve/status_document.h"

namespace calve::serve {
namespace {

using schedule::TableOutcome;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr int64_t kMinuteMicros = 60 * kMicrosPerSecond;
const TimestampMicros kMorning = schedule::At("2026-11-24T03:00:00Z");

config::Config ConfigWith(const std::vector<std::pair<std::string, std::vector<std::string>>>& tables) {
  config::Config config;
  config.file = "calve.yaml";
  for (const auto& [name, after] : tables) {
    config::TableConfig table;
    table.name = table.source = name;
    table.target = catalog::ParseTableIdent("cold." + name, "").ValueOrDie();
    table.after = after;
    table.buffer_micros = 5 * kMinuteMicros;
    config.tables.push_back(table);
  }
  return config;
}

cycle::TableReport ReportOf(const std::string& name, TableOutcome outcome) {
  cycle::TableReport report;
  report.name = name;
  static_cast<TableOutcome&>(report.outcome) = std::move(outcome);
  report.outcome.started = kMorning;
  report.outcome.finished = kMorning + kMicrosPerSecond;
  return report;
}

class ServerStateTest : public ::testing::Test {
 protected:
  ServerStateTest() {
    state_.Configure(ConfigWith({{"a", {}}, {"b", {"a"}}, {"c", {"a", "b"}}}), "every 15m", 15 * kMinuteMicros);
  }

  std::string Condition(const std::string& table) {
    return std::string(ConditionOf(*state_.LookAt(table), 15 * kMinuteMicros, clock_.Now()));
  }
  void SetWatermark(const std::string& table, TimestampMicros watermark) {
    TableFacts facts;
    facts.watermark = watermark;
    state_.OnTableRead(table, facts);
  }
  void Fail(const std::string& table) {
    state_.OnTableEnded(ReportOf(table, TableOutcome::Failed(MakeError(ErrorKind::kConfig, "broken", "mend it"))));
  }

  schedule::FakeClock clock_{kMorning};
  ServerState state_{clock_};
};

TEST_F(ServerStateTest, TablesStandBehindWhatTheyComeAfter) {
  const ServerNow now = state_.Look();
  ASSERT_THAT(now.tables, SizeIs(3));
  EXPECT_EQ(now.tables[0].table.column, 0);
  EXPECT_EQ(now.tables[1].table.column, 1);
  EXPECT_EQ(now.tables[2].table.column, 2);
  EXPECT_EQ(now.tables[2].table.target, "cold.c");
}

TEST_F(ServerStateTest, OneWordForATable) {
  EXPECT_EQ(Condition("a"), "unknown");
  state_.OnTableRead("a", {});
  EXPECT_EQ(Condition("a"), "empty");
  // As the alerts: beyond the buffer 15 minutes, or an interval; 20 minutes, or 4/3 of it.
  SetWatermark("a", kMorning - 19 * kMinuteMicros);
  EXPECT_EQ(Condition("a"), "fresh");
  SetWatermark("a", kMorning - 20 * kMinuteMicros);
  EXPECT_EQ(Condition("a"), "late");
  SetWatermark("a", kMorning - 25 * kMinuteMicros);
  EXPECT_EQ(Condition("a"), "overdue");
  state_.OnTableEnded(ReportOf("a", TableOutcome::Skipped("it comes after b, which failed", true)));
  EXPECT_EQ(Condition("a"), "held-up");
  Fail("a");
  EXPECT_EQ(Condition("a"), "failed");
  state_.SetAside("a", 5, "put aside until …");
  EXPECT_EQ(Condition("a"), "put-aside");
  state_.SetPaused("a", kMorning);
  EXPECT_EQ(Condition("a"), "paused");
  state_.OnTableStarted("a");
  EXPECT_EQ(Condition("a"), "running");
  state_.OnTableEnded(ReportOf("a", TableOutcome::Done()));
  state_.SetPaused("a", std::nullopt);
  EXPECT_EQ(Condition("a"), "overdue") << "a success forgets the failures";
  EXPECT_EQ(LateAtOf(0, 0, 60 * kMinuteMicros).late, 60 * kMinuteMicros);
  EXPECT_EQ(LateAtOf(0, 0, 60 * kMinuteMicros).overdue, 80 * kMinuteMicros);
}

TEST_F(ServerStateTest, AFailureStaysUntilASuccess) {
  Fail("b");
  Fail("b");
  state_.OnTableEnded(ReportOf("b", TableOutcome::Skipped("put aside until", true)));
  const Json json = TableDocument(*state_.LookAt("b"), 0, kMorning);
  EXPECT_EQ(json["failures"], 2);
  EXPECT_EQ(json["last_run"]["state"], "skipped");
  EXPECT_EQ(json["last_failure"]["error"]["message"], "broken");
  EXPECT_EQ(json["last_failure"]["error"]["remedy"], "mend it");
}

TEST_F(ServerStateTest, ProgressHasARateAShareAndATimeLeft) {
  state_.OnTableStarted("a");
  clock_.Advance(10 * kMicrosPerSecond);
  offload::Progress progress;
  progress.phase = "reading";
  progress.rows = 250;
  progress.rows_expected = 1000;
  state_.OnProgress("a", progress);
  const Json json = ProgressDocument(state_.Look(), clock_.Now())["running"]["a"];
  EXPECT_DOUBLE_EQ(json["rows_per_second"], 25);
  EXPECT_DOUBLE_EQ(json["share"], 0.25);
  EXPECT_DOUBLE_EQ(json["seconds_left"], 30);
  progress.rows = 2000;  // more than was expected
  state_.OnProgress("a", progress);
  const Json more = ProgressDocument(state_.Look(), clock_.Now())["running"]["a"];
  EXPECT_DOUBLE_EQ(more["share"], 1);
  EXPECT_TRUE(more["seconds_left"].is_null());
}

TEST_F(ServerStateTest, AChunkMovesTheWatermarkAtOnce) {
  SetWatermark("a", kMorning - 100 * kMinuteMicros);
  state_.OnTableStarted("a");
  offload::Progress progress;
  progress.watermark = kMorning - kMinuteMicros;
  state_.OnProgress("a", progress);
  EXPECT_EQ(state_.LookAt("a")->facts->watermark, kMorning - kMinuteMicros);
}

TEST_F(ServerStateTest, ChangesAreTakenOnceAndBecomeEvents) {
  EXPECT_TRUE(state_.TakeChanges().everything);
  EXPECT_TRUE(state_.TakeChanges().empty());
  state_.OnCycleStarted({kMorning, schedule::CycleCause::kOnDemand, 1});
  state_.OnTableStarted("b");
  state_.OnProgress("b", {});
  EXPECT_THAT(state_.TakeChanges().tables, ElementsAre("b"));
  state_.OnProgress("b", {});
  Fail("b");
  cycle::CycleReport report;
  report.tables = {ReportOf("b", TableOutcome::Failed(MakeError(ErrorKind::kRetry, "x"))),
                   ReportOf("a", TableOutcome::Done())};
  report.started = kMorning;
  report.finished = kMorning + 5 * kMicrosPerSecond;
  state_.OnCycleEnded(report);
  const StateChanges changes = state_.TakeChanges();
  EXPECT_THAT(changes.tables, ElementsAre("b"));
  ASSERT_THAT(changes.cycles, SizeIs(1));
  EXPECT_EQ(changes.cycles[0].cause, "on-demand");
  EXPECT_EQ(changes.cycles[0].status, "partial");
  std::vector<std::string> names;
  for (const ServerEvent& event : EventsOf(changes, state_.Look(), true, kMorning)) names.push_back(event.name);
  EXPECT_THAT(names, ElementsAre("table", "cycle", "server", "progress"));
  EXPECT_FALSE(state_.is_cycle_running());
}

TEST_F(ServerStateTest, KeepsABoundedNumberOfCycles) {
  for (int i = 0; i < 500; ++i) state_.OnCycleFailed(MakeError(ErrorKind::kRetry, "away"));
  EXPECT_THAT(state_.Look().cycles, SizeIs(ServerState::kCyclesKept));
  EXPECT_THAT(state_.TakeChanges().cycles, SizeIs(ServerState::kCyclesKept));
}

TEST_F(ServerStateTest, AReloadKeepsWhatItKnowsOfTablesThatStay) {
  Fail("a");
  state_.SetPaused("b", kMorning);
  auto config = ConfigWith({{"b", {}}, {"a", {"b"}}, {"new", {}}});
  config.tables[1].target = catalog::ParseTableIdent("cold.other", "").ValueOrDie();
  state_.Configure(config, "every 1h", 0);
  EXPECT_FALSE(state_.LookAt("c"));
  EXPECT_TRUE(state_.LookAt("b")->paused_since);
  EXPECT_FALSE(state_.LookAt("a")->last_failure) << "it is another table now";
  EXPECT_EQ(state_.LookAt("a")->table.column, 1);
}

TEST_F(ServerStateTest, PausesAreThoseOfTheJournal) {
  state_.SetPauses({{"cold.a", kMorning}, {"cold.gone", kMorning}});
  EXPECT_THAT(state_.paused(), ElementsAre("a"));
  state_.SetPauses({{"cold.c", kMorning}});
  EXPECT_THAT(state_.paused(), ElementsAre("c"));
  state_.SetPauses({});  // a journal that was lost
  EXPECT_THAT(state_.paused(), ElementsAre());
}

TEST_F(ServerStateTest, ATableIsComparedOnceAtATime) {
  VerifyJob job;
  EXPECT_TRUE(state_.QueueVerify("a", job));
  EXPECT_FALSE(state_.QueueVerify("a", job));
  EXPECT_FALSE(state_.QueueVerify("none", job));
  offload::VerifyResult result;
  offload::BucketResult bucket;
  bucket.missing = 3;
  bucket.different = true;
  result.differences.push_back(bucket);
  state_.OnVerify("a", [&](VerifyJob& now) {
    now.state = VerifyJob::State::kDone;
    now.result = result;
  });
  const Json json = TableDocument(*state_.LookAt("a"), 0, kMorning)["verify"];
  EXPECT_EQ(json["result"]["equal"], false);
  EXPECT_EQ(json["result"]["missing"], 3);
  EXPECT_THAT(json["result"]["remedy"].get<std::string>(), HasSubstr("--table a"));
  EXPECT_TRUE(state_.QueueVerify("a", job)) << "again";
}

TEST_F(ServerStateTest, ManyMayTellAndAskAtOnce) {
  std::vector<std::jthread> threads;
  for (const char* table : {"a", "b", "c"}) {
    threads.emplace_back([this, table] {
      for (int i = 0; i < 300; ++i) {
        state_.OnTableStarted(table);
        state_.OnProgress(table, {});
        Fail(table);
        SetWatermark(table, kMorning);
      }
    });
  }
  for (int i = 0; i < 50; ++i) {
    EXPECT_FALSE(DumpJson(StatusDocument(state_.Look(), true, kMorning)).empty());
    EventsOf(state_.TakeChanges(), state_.Look(), true, kMorning);
  }
}

journal::RunRecord RunAt(const std::string& table, TimestampMicros started, int64_t pid,
                         const std::string& status = "success") {
  journal::RunRecord run;
  run.table = table;
  run.host = "h";
  run.pid = pid;
  run.status = status;
  run.started_at = started;
  run.finished_at = started + kMicrosPerSecond;
  run.rows = 10;
  return run;
}

TEST(CycleHistory, PutsRunsTogetherIntoCycles) {
  const TimestampMicros second = kMorning + 15 * kMinuteMicros;
  std::vector<journal::RunRecord> runs = {RunAt("a", second, 1),
                                          RunAt("b", second, 1, "failed"),
                                          RunAt("b", kMorning + 2 * kMicrosPerSecond, 1),
                                          RunAt("a", kMorning + kMicrosPerSecond, 1),
                                          RunAt("a", kMorning, 1),            // two chunks
                                          RunAt("a", kMorning, 2, "failed"),  // another process
                                          RunAt("own", kMorning, 7)};
  runs.push_back(RunAt("running", kMorning, 1));
  runs.back().finished_at = std::nullopt;
  const auto cycles = CyclesOfRuns(runs, "h", 7);
  ASSERT_THAT(cycles, SizeIs(3));
  EXPECT_EQ(cycles[0].started, kMorning);
  EXPECT_EQ(cycles[2].started, second);
  EXPECT_EQ(cycles[2].status, "partial");
  EXPECT_EQ(cycles[2].done, 1);
  EXPECT_EQ(cycles[2].failed, 1);
  const PastCycle& chunks = cycles[0].rows == 30 ? cycles[0] : cycles[1];
  EXPECT_EQ(chunks.rows, 30);
  EXPECT_EQ(chunks.done, 2);
  EXPECT_EQ(chunks.cause, "journal");
  EXPECT_TRUE(CyclesOfRuns({}, "h", 1).empty());
}

}  // namespace
}  // namespace calve::serve
