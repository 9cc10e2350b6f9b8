#include "calve/journal/testing_journal_conformance.h"

#include <gmock/gmock.h>

#include <cstdio>
#include <limits>
#include <thread>

#include "calve/storage/testing_child_process.h"

namespace calve::journal {

RunRecord FullRun(const std::string& run_id, TimestampMicros started_at) {
  RunRecord run;
  run.run_id = run_id;
  run.table = "cold.trades";
  run.source = "k2.trades";
  run.layer = "bronze";
  run.status = "success";
  run.started_at = started_at;
  run.finished_at = started_at + 1'234'567;
  run.window_from = -1;  // before 1970
  run.window_to = started_at - 300 * kMicrosPerSecond;
  run.rows = 3'820'509;
  run.files = 2;
  run.bytes = 59'600'000;
  run.snapshot_id = std::numeric_limits<int64_t>::max();
  run.commit_id = "0a6f1c2e-0000-4000-8000-000000000001";
  run.error = "naïve 'quoted'; \"text\"\nwith a remedy";
  run.host = "host-1";
  run.pid = 4242;
  return run;
}

namespace {

constexpr TimestampMicros kConformanceNow = 1'723'161'600'000'001;

void ExpectSame(const RunRecord& a, const RunRecord& b) {
  EXPECT_EQ(a.run_id, b.run_id);
  EXPECT_EQ(a.table, b.table);
  EXPECT_EQ(a.source, b.source);
  EXPECT_EQ(a.layer, b.layer);
  EXPECT_EQ(a.status, b.status);
  EXPECT_EQ(a.started_at, b.started_at);
  EXPECT_EQ(a.finished_at, b.finished_at);
  EXPECT_EQ(a.window_from, b.window_from);
  EXPECT_EQ(a.window_to, b.window_to);
  EXPECT_EQ(a.rows, b.rows);
  EXPECT_EQ(a.files, b.files);
  EXPECT_EQ(a.bytes, b.bytes);
  EXPECT_EQ(a.snapshot_id, b.snapshot_id);
  EXPECT_EQ(a.commit_id, b.commit_id);
  EXPECT_EQ(a.error, b.error);
  EXPECT_EQ(a.host, b.host);
  EXPECT_EQ(a.pid, b.pid);
}

TEST_P(JournalConformance, ARunIsStartedAndFinished) {
  auto journal = Open();
  RunRecord run;
  run.run_id = "r1";
  run.table = "cold.trades";
  run.status = "running";
  run.started_at = kConformanceNow;
  ASSERT_TRUE(journal->StartRun(run).ok());
  auto started = journal->LastRuns("", 10).ValueOrDie();
  ASSERT_EQ(started.size(), 1u);
  ExpectSame(started[0], run);
  EXPECT_FALSE(started[0].finished_at.has_value());
  RunRecord finished = FullRun("r1", kConformanceNow);
  ASSERT_TRUE(journal->FinishRun(finished).ok());
  auto runs = Open()->LastRuns("", 10).ValueOrDie();  // another connection sees it
  ASSERT_EQ(runs.size(), 1u);
  ExpectSame(runs[0], finished);
}

TEST_P(JournalConformance, AFinishedRunThatWasNeverStartedIsInserted) {
  auto journal = Open();
  ASSERT_TRUE(journal->FinishRun(FullRun("r1", kConformanceNow)).ok());
  ASSERT_EQ(journal->LastRuns("cold.trades", 1).ValueOrDie().size(), 1u);
}

TEST_P(JournalConformance, ARunIsStartedOnce) {
  auto journal = Open();
  ASSERT_TRUE(journal->StartRun(FullRun("r1", kConformanceNow)).ok());
  EXPECT_EQ(KindOf(journal->StartRun(FullRun("r1", kConformanceNow))), ErrorKind::kAlreadyExists);
}

TEST_P(JournalConformance, LastRunsAreTheNewestOfOneTableOrOfAll) {
  auto journal = Open();
  for (int i = 0; i < 5; ++i) {
    RunRecord run = FullRun("r" + std::to_string(i), kConformanceNow + (i * 3 % 5) * kMicrosPerSecond);
    run.table = i % 2 ? "cold.a" : "cold.b'c";
    ASSERT_TRUE(journal->StartRun(run).ok());
  }
  auto ids = [](const std::vector<RunRecord>& runs) {
    std::string all;
    for (const RunRecord& run : runs) all += run.run_id;
    return all;
  };
  EXPECT_EQ(ids(journal->LastRuns("", 100).ValueOrDie()), "r3r1r4r2r0");
  EXPECT_EQ(ids(journal->LastRuns("", 2).ValueOrDie()), "r3r1");
  EXPECT_EQ(ids(journal->LastRuns("cold.b'c", 2).ValueOrDie()), "r4r2");
  EXPECT_EQ(ids(journal->LastRuns("cold.unknown", 2).ValueOrDie()), "");
  EXPECT_EQ(ids(journal->LastRuns("", 0).ValueOrDie()), "");
}

TEST_P(JournalConformance, TheWatermarkRowIsWrittenAndOverwritten) {
  auto journal = Open();
  EXPECT_FALSE(journal->ReadWatermark("trades").ValueOrDie().has_value());
  WatermarkRow row{
      "trades", kConformanceNow - 1, std::numeric_limits<int64_t>::max(), 12, "success", kConformanceNow, 7, 0, ""};
  ASSERT_TRUE(journal->WriteWatermark(row, kConformanceNow).ok());
  row.last_offload_timestamp = kConformanceNow + 5;
  row.last_offload_row_count = 13;
  row.last_error_message = "was: 'x'";
  ASSERT_TRUE(journal->WriteWatermark(row, kConformanceNow + 1).ok());
  auto read = Open()->ReadWatermark("trades").ValueOrDie();
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->table_name, "trades");
  EXPECT_EQ(read->last_offload_timestamp, kConformanceNow + 5);
  EXPECT_EQ(read->last_offload_max_sequence, std::numeric_limits<int64_t>::max());
  EXPECT_EQ(read->last_offload_row_count, 13);
  EXPECT_EQ(read->status, "success");
  EXPECT_EQ(read->last_successful_run, kConformanceNow);
  EXPECT_EQ(read->last_run_duration_seconds, 7);
  EXPECT_EQ(read->failure_count, 0);
  EXPECT_EQ(read->last_error_message, "was: 'x'");
}

TEST_P(JournalConformance, AWindowWithoutRowsLeavesTheMaximumSequenceAsItWas) {
  auto journal = Open();
  WatermarkRow row{"trades", kConformanceNow, std::nullopt, 0, "success", kConformanceNow, 7, 0, ""};
  ASSERT_TRUE(journal->WriteWatermark(row, kConformanceNow).ok());
  EXPECT_EQ(journal->ReadWatermark("trades").ValueOrDie()->last_offload_max_sequence, 0);
  row.last_offload_max_sequence = 41;
  ASSERT_TRUE(journal->WriteWatermark(row, kConformanceNow + 1).ok());
  row.last_offload_max_sequence.reset();
  row.last_offload_timestamp = kConformanceNow + 2;
  ASSERT_TRUE(journal->WriteWatermark(row, kConformanceNow + 2).ok());
  auto read = journal->ReadWatermark("trades").ValueOrDie();
  EXPECT_EQ(read->last_offload_max_sequence, 41);
  EXPECT_EQ(read->last_offload_timestamp, kConformanceNow + 2);
}

// The message of an error may quote what was read, whatever that is.
TEST_P(JournalConformance, AMessageMayHoldAnyBytes) {
  auto journal = Open();
  using namespace std::string_literals;
  RunRecord run = FullRun("r1", kConformanceNow);
  run.error = "price \xff\xfe of \0 row"s;
  ASSERT_TRUE(journal->FinishRun(run).ok());
  ASSERT_TRUE(journal->WriteFailure("trades", run.error, kConformanceNow).ok());
  EXPECT_THAT(journal->LastRuns("", 1).ValueOrDie().at(0).error, ::testing::StartsWith("price "));
  EXPECT_THAT(journal->ReadWatermark("trades").ValueOrDie()->last_error_message, ::testing::StartsWith("price "));
}

TEST_P(JournalConformance, AFailureIsCountedAndLeavesTheWatermarkAlone) {
  auto journal = Open();
  ASSERT_TRUE(
      journal->WriteWatermark({"trades", kConformanceNow, 9, 12, "success", kConformanceNow, 7, 0, ""}, kConformanceNow)
          .ok());
  ASSERT_TRUE(journal->WriteFailure("trades", "no route", kConformanceNow + 1).ok());
  ASSERT_TRUE(journal->WriteFailure("trades", "no route again", kConformanceNow + 2).ok());
  WatermarkRow row = journal->ReadWatermark("trades").ValueOrDie().value();
  EXPECT_EQ(row.status, "failed");
  EXPECT_EQ(row.failure_count, 2);
  EXPECT_EQ(row.last_error_message, "no route again");
  EXPECT_EQ(row.last_offload_timestamp, kConformanceNow);
  EXPECT_EQ(row.last_offload_max_sequence, 9);
  EXPECT_EQ(row.last_successful_run, kConformanceNow);
}

TEST_P(JournalConformance, ATableThatNeverSucceededHasTheEpochAsItsWatermark) {
  auto journal = Open();
  ASSERT_TRUE(journal->WriteFailure("new", "no such column", kConformanceNow).ok());
  WatermarkRow row = journal->ReadWatermark("new").ValueOrDie().value();
  EXPECT_EQ(row.status, "failed");
  EXPECT_EQ(row.failure_count, 1);
  EXPECT_EQ(row.last_offload_timestamp, 0);
  EXPECT_FALSE(row.last_successful_run.has_value());
}

TEST_P(JournalConformance, AStatusAloneLeavesEverythingElse) {
  auto journal = Open();
  ASSERT_TRUE(journal->WriteStatus("new", "running", kConformanceNow).ok());
  WatermarkRow row = journal->ReadWatermark("new").ValueOrDie().value();
  EXPECT_EQ(row.status, "running");
  EXPECT_EQ(row.last_offload_timestamp, 0);
  EXPECT_EQ(row.failure_count, 0);
  EXPECT_FALSE(row.last_successful_run.has_value());
  ASSERT_TRUE(
      journal->WriteWatermark({"trades", kConformanceNow, 9, 12, "success", kConformanceNow, 7, 0, ""}, kConformanceNow)
          .ok());
  ASSERT_TRUE(journal->WriteFailure("trades", "no route", kConformanceNow + 1).ok());
  ASSERT_TRUE(journal->WriteStatus("trades", "running", kConformanceNow + 2).ok());
  row = journal->ReadWatermark("trades").ValueOrDie().value();
  EXPECT_EQ(row.status, "running");
  EXPECT_EQ(row.failure_count, 1);
  EXPECT_EQ(row.last_error_message, "no route");
  EXPECT_EQ(row.last_offload_timestamp, kConformanceNow);
  EXPECT_EQ(row.last_offload_max_sequence, 9);
  EXPECT_EQ(row.last_successful_run, kConformanceNow);
}

constexpr int kLong = 60'000;
constexpr int kShort = 50;

TEST_P(JournalConformance, ALeaseIsHeldByOne) {
  auto journal = Open();
  Lease taken = journal->AcquireLease(LeaseOf("a", kLong)).ValueOrDie();
  EXPECT_EQ(taken.holder, "a");
  EXPECT_NEAR(static_cast<double>(taken.until - taken.since), kLong * 1e3, 1e4);
  Pass(2);
  Lease held = Open()->AcquireLease(LeaseOf("b", kLong)).ValueOrDie();
  EXPECT_EQ(held.holder, "a");
  EXPECT_EQ(held.table, taken.table);
  EXPECT_EQ(held.host, "host-1");
  EXPECT_EQ(held.pid, 4242);
  EXPECT_EQ(held.process_start, 99);
  EXPECT_EQ(held.since, taken.since);
  EXPECT_EQ(held.until, taken.until);
  Lease other = LeaseOf("b", kLong);
  other.table = "cold.quotes";
  EXPECT_EQ(journal->AcquireLease(other).ValueOrDie().holder, "b") << "another table's";
  Lease again = journal->AcquireLease(LeaseOf("a", 2 * kLong)).ValueOrDie();
  EXPECT_EQ(again.holder, "a") << "its own again";
  EXPECT_GT(again.since, taken.since);
  EXPECT_NEAR(static_cast<double>(again.until - again.since), 2 * kLong * 1e3, 1e4);
}

TEST_P(JournalConformance, ALeaseThatEndedIsTakenOver) {
  auto journal = Open();
  ASSERT_TRUE(journal->AcquireLease(LeaseOf("a", kShort)).ok());
  Pass(kShort);
  EXPECT_EQ(journal->AcquireLease(LeaseOf("b", kLong)).ValueOrDie().holder, "b");
  const std::string table = LeaseOf("a", 0).table;
  EXPECT_FALSE(journal->RenewLease(table, "a", now_, now_ + 99'000'000).ValueOrDie());
  ASSERT_TRUE(journal->ReleaseLease(table, "a").ok());
  EXPECT_EQ(journal->AcquireLease(LeaseOf("c", kLong)).ValueOrDie().holder, "b") << "still the other's";
}

TEST_P(JournalConformance, ALeaseIsRenewedAndReleased) {
  auto journal = Open();
  const std::string table = LeaseOf("a", 0).table;
  EXPECT_FALSE(journal->RenewLease(table, "a", now_, now_).ValueOrDie()) << "never taken";
  ASSERT_TRUE(journal->AcquireLease(LeaseOf("a", kShort)).ok());
  EXPECT_TRUE(journal->RenewLease(table, "a", now_, now_ + kLong * 1'000).ValueOrDie());
  Pass(2 * kShort);
  EXPECT_EQ(journal->AcquireLease(LeaseOf("b", kLong)).ValueOrDie().holder, "a");
  ASSERT_TRUE(journal->ReleaseLease(table, "a").ok());
  ASSERT_TRUE(journal->ReleaseLease(table, "a").ok());
  EXPECT_EQ(journal->AcquireLease(LeaseOf("b", kLong)).ValueOrDie().holder, "b");
}

TEST_P(JournalConformance, OfThreadsThatWantALeaseOneGetsIt) {
  auto journal = Open();
  std::vector<std::string> told(8);
  std::vector<std::thread> threads;
  for (size_t t = 0; t < told.size(); ++t) {
    threads.emplace_back([&, t] {
      auto own = t % 2 ? Open() : nullptr;
      told[t] = (own ? *own : *journal).AcquireLease(LeaseOf(std::to_string(t), kLong)).ValueOrDie().holder;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(told, ::testing::Each(told[0]));
}

TEST_P(JournalConformance, PartsSeenAreThoseOfOneSourceOfOneTable) {
  auto journal = Open();
  EXPECT_EQ(journal->ReadPartsSeen("cold.trades", "k2.trades a").ValueOrDie(), std::nullopt);
  ASSERT_TRUE(journal->WritePartsSeen("cold.trades", "k2.trades a", "one", kConformanceNow).ok());
  ASSERT_TRUE(journal->WritePartsSeen("cold.trades", "k2.trades a", "two", kConformanceNow + 1).ok());
  ASSERT_TRUE(journal->WritePartsSeen("cold.other", "k2.other c", "three", kConformanceNow).ok());
  auto again = Open();
  EXPECT_EQ(again->ReadPartsSeen("cold.trades", "k2.trades a").ValueOrDie(), "two");
  // A table that was made anew counts its blocks from the beginning.
  EXPECT_EQ(again->ReadPartsSeen("cold.trades", "k2.trades b").ValueOrDie(), std::nullopt);
}

TEST_P(JournalConformance, ThreadsShareOneJournal) {
  auto journal = Open();
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 20; ++i) {
        EXPECT_TRUE(journal->FinishRun(FullRun(std::to_string(t) + "-" + std::to_string(i), kConformanceNow + i)).ok());
        EXPECT_TRUE(journal->WriteFailure("trades", "x", kConformanceNow).ok());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(journal->LastRuns("", 1000).ValueOrDie().size(), 160u);
  EXPECT_EQ(journal->ReadWatermark("trades").ValueOrDie()->failure_count, 160);
}

// Each opening finds the tables missing, half made or made.
TEST_P(JournalConformance, RemembersPausesUntilTheyEnd) {
  {
    auto journal = Open();
    EXPECT_TRUE(journal->ReadPauses().ValueOrDie().empty());
    EXPECT_TRUE(journal->RemovePause("cold.a").ok()) << "of what nobody paused";
    ASSERT_TRUE(journal->WritePause("cold.b", kConformanceNow).ok());
    ASSERT_TRUE(journal->WritePause("cold.a", kConformanceNow + 5).ok());
    ASSERT_TRUE(journal->WritePause("cold.b", kConformanceNow + 9).ok());
  }
  auto journal = Open();
  const auto pauses = journal->ReadPauses().ValueOrDie();
  ASSERT_EQ(pauses.size(), 2u);
  EXPECT_EQ(pauses[0].table, "cold.a");
  EXPECT_EQ(pauses[0].since, kConformanceNow + 5);
  EXPECT_EQ(pauses[1].table, "cold.b");
  EXPECT_EQ(pauses[1].since, kConformanceNow) << "it was paused already";
  ASSERT_TRUE(journal->RemovePause("cold.b").ok());
  EXPECT_EQ(journal->ReadPauses().ValueOrDie().size(), 1u);
}

TEST_P(JournalConformance, ManyMayOpenItAtOnce) {
  for (int round = 0; round < 10; ++round) {
    if (round > 0) uri_ = GetParam().make_uri();
    std::vector<Status> opened(8);
    std::vector<std::thread> threads;
    for (size_t i = 0; i < opened.size(); ++i) {
      threads.emplace_back([&, i] {
        std::this_thread::sleep_for(std::chrono::microseconds(1'500 * i));
        opened[i] = OpenJournal(uri_).status();
      });
    }
    for (std::thread& thread : threads) thread.join();
    for (const Status& status : opened) EXPECT_TRUE(status.ok()) << status.ToString();
  }
}

// Four processes open, and so create, the same journal at once.
TEST_P(JournalConformance, ProcessesShareOneJournal) {
  std::vector<int> codes = storage::RunChildren(4, [&](int p) {
    auto journal = OpenJournal(uri_);
    if (!journal.ok()) fprintf(stderr, "%s\n", journal.status().ToString().c_str());
    if (!journal.ok()) return 1;
    for (int i = 0; i < 25; ++i) {
      RunRecord run = FullRun(std::to_string(p) + "-" + std::to_string(i), kConformanceNow + i);
      if (!(*journal)->StartRun(run).ok() || !(*journal)->FinishRun(run).ok()) return 2;
      if (!(*journal)->WriteFailure("trades", "x", kConformanceNow).ok()) return 3;
    }
    return 0;
  });
  EXPECT_THAT(codes, ::testing::ElementsAre(0, 0, 0, 0));
  auto journal = Open();
  EXPECT_EQ(journal->LastRuns("", 1000).ValueOrDie().size(), 100u);
  EXPECT_EQ(journal->ReadWatermark("trades").ValueOrDie()->failure_count, 100);
}

}  // namespace
}  // namespace calve::journal
