#include "calve/serve/offload_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "calve/cycle/testing_cycle_work.h"
#include "calve/schedule/testing_time.h"

namespace calve::serve {
namespace {

using schedule::At;
using schedule::FakeClock;
using schedule::TableOutcome;
using schedule::TableState;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr int64_t kMinute = 60 * kMicrosPerSecond;

cycle::TableReport Ended(const std::string& name, TableOutcome outcome, TimestampMicros started, int64_t seconds) {
  cycle::TableReport report;
  report.name = name;
  static_cast<TableOutcome&>(report.outcome) = std::move(outcome);
  report.outcome.started = started;
  report.outcome.finished = started + seconds * kMicrosPerSecond;
  return report;
}

class OffloadMetricsTest : public ::testing::Test {
 protected:
  OffloadMetricsTest() { metrics_.Configure({{"a", "bronze", 5 * kMinute}, {"b", "silver", 0}}, 15 * kMinute); }

  std::string Text() const { return MetricsText(metrics_.Collect()); }

  cycle::TableReport Done(const std::string& name, int64_t rows, TimestampMicros watermark) const {
    cycle::TableReport report = Ended(name, TableOutcome::Done(), clock_.Now(), 4);
    report.offload.emplace();
    report.offload->rows = rows;
    report.offload->files = 2;
    report.offload->bytes = 1000;
    report.offload->seconds = 4;
    report.offload->watermark = watermark;
    report.offload->seconds_planning = 0.5;
    report.offload->seconds_slice.read = 1.5;
    report.offload->seconds_slice.upload = 0.25;
    report.offload->late.rows = 7;
    return report;
  }
  void End(std::vector<cycle::TableReport> tables) {
    cycle::CycleReport report;
    for (const auto& table : tables) metrics_.OnTableEnded(table);
    report.tables = std::move(tables);
    report.started = clock_.Now();
    report.finished = clock_.Now() + 20 * kMicrosPerSecond;
    metrics_.OnCycleEnded(report);
  }

  FakeClock clock_{At("2024-08-09T12:00:00Z")};
  OffloadMetrics metrics_{clock_};
};

TEST_F(OffloadMetricsTest, CountersAreThereBeforeTheFirstCycle) {
  const std::string text = Text();
  for (const char* sample :
       {"offload_rows_total{table=\"a\",layer=\"bronze\"} 0\n", "offload_cycles_total{status=\"success\"} 0\n",
        "offload_cycles_total{status=\"failed\"} 0\n", "offload_tables_configured 2\n",
        "offload_schedule_interval_seconds 900\n", "offload_buffer_minutes{table=\"a\"} 5\n",
        "offload_consecutive_failures{table=\"b\"} 0\n", "offload_last_success_timestamp 0\n",
        "offload_info{version=\"" CALVE_VERSION "\"} 1\n"}) {
    EXPECT_THAT(text, HasSubstr(sample));
  }
  EXPECT_THAT(text, Not(HasSubstr("offload_lag_minutes{"))) << "nobody knows it yet";
}

TEST_F(OffloadMetricsTest, ATableThatIsDone) {
  End({Done("a", 100, clock_.Now() - 5 * kMinute), Done("b", 0, clock_.Now())});
  const std::string text = Text();
  for (const char* sample :
       {"offload_rows_total{table=\"a\",layer=\"bronze\"} 107\n",
        "offload_files_total{table=\"a\",layer=\"bronze\"} 2\n",
        "offload_bytes_total{table=\"a\",layer=\"bronze\"} 1000\n",
        "offload_late_rows_total{table=\"a\",layer=\"bronze\"} 7\n", "offload_rows_per_second{table=\"a\"} 25\n",
        "offload_duration_seconds_sum{table=\"a\"} 4\n", "offload_duration_seconds_bucket{table=\"a\",le=\"5\"} 1\n",
        "offload_phase_seconds_total{table=\"a\",phase=\"read\"} 1.5\n",
        "offload_phase_seconds_total{table=\"a\",phase=\"upload\"} 0.25\n",
        "offload_phase_seconds_total{table=\"a\",phase=\"plan\"} 0.5\n", "offload_cycles_total{status=\"success\"} 1\n",
        "offload_cycle_duration_seconds_sum 20\n", "offload_last_success_timestamp 1723204800\n"}) {
    EXPECT_THAT(text, HasSubstr(sample));
  }
  EXPECT_THAT(text, Not(HasSubstr("offload_rows_per_second{table=\"b\"}"))) << "no rows tell no rate";
}

// Not what it was when the cycle ended.
TEST_F(OffloadMetricsTest, TheLagGrowsWhileNothingHappens) {
  End({Done("a", 1, clock_.Now() - 5 * kMinute)});
  EXPECT_THAT(Text(), HasSubstr("offload_lag_minutes{table=\"a\"} 5\n"));
  clock_.Advance(10 * kMinute);
  EXPECT_THAT(Text(), HasSubstr("offload_lag_minutes{table=\"a\"} 15\n"));
  EXPECT_THAT(Text(), HasSubstr("watermark_timestamp_seconds{table=\"a\"} 1723204500\n"));
  EXPECT_THAT(MetricsText(metrics_.CollectLasting()), Not(HasSubstr("offload_lag_minutes")));
}

TEST_F(OffloadMetricsTest, FailuresInARowUntilASuccess) {
  const auto failed = [&] {
    return Ended("a", TableOutcome::Failed(MakeError(ErrorKind::kRetry, "away")), clock_.Now(), 1);
  };
  for (int i = 0; i < 3; ++i) End({failed(), Done("b", 0, clock_.Now())});
  EXPECT_THAT(Text(), HasSubstr("offload_consecutive_failures{table=\"a\"} 3\n"));
  EXPECT_THAT(Text(), HasSubstr("offload_errors_total{table=\"a\",error_type=\"" +
                                std::string(ErrorKindName(ErrorKind::kRetry)) + "\"} 3\n"));
  EXPECT_THAT(Text(), HasSubstr("offload_cycles_total{status=\"partial\"} 3\n"));
  EXPECT_THAT(Text(), HasSubstr("offload_last_success_timestamp 0\n"));
  // Put aside: it was not called, so nothing new is known of it.
  cycle::TableReport skipped;
  skipped.name = "a";
  static_cast<TableOutcome&>(skipped.outcome) = TableOutcome::Skipped("put aside", true);
  End({skipped});
  EXPECT_THAT(Text(), HasSubstr("offload_consecutive_failures{table=\"a\"} 3\n"));
  EXPECT_THAT(Text(), HasSubstr("offload_last_success_timestamp 0\n")) << "a table was held up";
  End({Done("a", 1, clock_.Now())});
  EXPECT_THAT(Text(), HasSubstr("offload_consecutive_failures{table=\"a\"} 0\n"));
}

TEST_F(OffloadMetricsTest, ACycleThatFailsAsAWhole) {
  metrics_.OnCycleStarted();
  clock_.Advance(3 * kMicrosPerSecond);
  EXPECT_THAT(Text(), HasSubstr("offload_cycle_started_timestamp_seconds 1723204800\n"));
  metrics_.OnCycleFailed(MakeError(ErrorKind::kRetry, "no catalog"));
  EXPECT_THAT(Text(), HasSubstr("offload_cycle_started_timestamp_seconds 0\n"));
  EXPECT_THAT(Text(), HasSubstr("offload_cycle_consecutive_failures 1\n"));
  EXPECT_THAT(Text(), HasSubstr("offload_cycle_duration_seconds_sum 3\n"));
  EXPECT_THAT(Text(), HasSubstr("offload_cycles_total{status=\"failed\"} 1\n"));
  End({Done("a", 1, clock_.Now())});
  EXPECT_THAT(Text(), HasSubstr("offload_cycle_consecutive_failures 0\n"));
}

TEST_F(OffloadMetricsTest, AStopIsNoFailure) {
  End({Ended("a", TableOutcome::Failed(MakeError(ErrorKind::kStopped, "stop")), clock_.Now(), 1)});
  metrics_.OnCycleFailed(MakeError(ErrorKind::kStopped, "stop"));
  EXPECT_THAT(Text(), HasSubstr("offload_cycles_total{status=\"stopped\"} 2\n"));
  EXPECT_THAT(Text(), HasSubstr("offload_last_failure_timestamp 0\n"));
  EXPECT_THAT(Text(), HasSubstr("offload_consecutive_failures{table=\"a\"} 0\n"));
}

TEST_F(OffloadMetricsTest, WhatAnotherCalveWorksOnIsCountedByThatOne) {
  cycle::TableReport report = Done("a", 100, clock_.Now());
  report.offload->held_by.emplace();
  report.outcome.state = TableState::kSkipped;
  End({report});
  EXPECT_THAT(Text(), HasSubstr("offload_rows_total{table=\"a\",layer=\"bronze\"} 0\n"));
  EXPECT_THAT(Text(), HasSubstr("offload_cycles_total{status=\"success\"} 1\n"));
}

// Of a load in chunks, before it has ended; not of one that waits for the cycle's one commit.
TEST_F(OffloadMetricsTest, TheWatermarkMovesWithEachCommit) {
  offload::Progress committed;
  committed.phase = "committed";
  committed.watermark = clock_.Now() - kMinute;
  config::Config config = cycle::ConfigOf({{"a"}, {"b"}});
  cycle::FakeReporter inner(config);
  config.commit = config::CommitUnit::kCycle;
  MeasuringReporter(inner, config, metrics_).SinkOf(1).Update(committed);
  EXPECT_FALSE(metrics_.KnowsWatermark("b"));
  config.commit = config::CommitUnit::kEachTable;
  MeasuringReporter reporter(inner, config, metrics_);
  reporter.SinkOf(1).Update(offload::Progress{"reading"});
  EXPECT_FALSE(metrics_.KnowsWatermark("b"));
  reporter.SinkOf(1).Update(committed);
  EXPECT_THAT(Text(), HasSubstr("offload_lag_minutes{table=\"b\"} 1\n"));
  reporter.SinkOf(0).Note("a word");
  EXPECT_THAT(inner.NotesOf(0), ::testing::ElementsAre("a word"));
  reporter.OnStarted(0);
  EXPECT_THAT(Text(), HasSubstr("offload_table_started_timestamp_seconds{table=\"a\"} 1723204800\n"));
  reporter.OnEnded(0, Done("a", 1, clock_.Now()));
  EXPECT_THAT(Text(), HasSubstr("offload_table_started_timestamp_seconds{table=\"a\"} 0\n"));
  EXPECT_EQ(inner.ended.size(), 1u);
}

// Labels come from the configuration alone, so their number stays bounded.
TEST_F(OffloadMetricsTest, TablesThatAreGoneAreForgotten) {
  End({Done("a", 1, clock_.Now()), Done("b", 1, clock_.Now())});
  metrics_.Configure({{"b", "silver", 0}}, 15 * kMinute);
  EXPECT_THAT(Text(), Not(HasSubstr("table=\"a\"")));
  EXPECT_THAT(Text(), HasSubstr("offload_rows_total{table=\"b\",layer=\"silver\"} 8\n"));
  metrics_.OnWatermark("a", clock_.Now());
  EXPECT_THAT(Text(), Not(HasSubstr("table=\"a\"")));
}

TEST_F(OffloadMetricsTest, AnotherProcessCountsOn) {
  End({Done("a", 100, clock_.Now() - kMinute)});
  const auto left = ParseMetricsText(MetricsText(metrics_.CollectLasting())).ValueOrDie();
  OffloadMetrics next(clock_);
  next.Restore(left);
  next.Configure({{"a", "bronze", 5 * kMinute}}, 15 * kMinute);
  next.OnTableEnded(Ended("a", TableOutcome::Failed(MakeError(ErrorKind::kConfig, "no")), clock_.Now(), 60));
  const std::string text = MetricsText(next.Collect());
  EXPECT_THAT(text, HasSubstr("offload_rows_total{table=\"a\",layer=\"bronze\"} 107\n"));
  EXPECT_THAT(text, HasSubstr("offload_duration_seconds_count{table=\"a\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("offload_lag_minutes{table=\"a\"} 1\n")) << "the watermark of the run before";
  EXPECT_THAT(text, HasSubstr("offload_consecutive_failures{table=\"a\"} 1\n"));
  EXPECT_THAT(text, Not(HasSubstr("table=\"b\"")));
}

}  // namespace
}  // namespace calve::serve
