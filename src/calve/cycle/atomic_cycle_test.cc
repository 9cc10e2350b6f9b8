// All tables of a cycle in one commit: whatever goes wrong, their watermarks move together or not at all.
#include "calve/cycle/atomic_cycle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "calve/base/random.h"
#include "calve/catalog/rest_catalog.h"
#include "calve/cycle/staged_catalog.h"
#include "calve/cycle/testing_cycle_work.h"
#include "calve/offload/testing_offload_place.h"
#include "calve/offload/watermark.h"
#include "calve/storage/testing_child_process.h"

namespace calve::cycle {
namespace {

using offload::CatalogKind;
using offload::OffloadPlace;
using schedule::TableState;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using Kind = catalog::RestFault::Kind;

constexpr TimestampMicros kNoon = 1'723'204'800'000'000;
TimestampMicros At(int64_t second) { return kNoon + second * kMicrosPerSecond; }

class AtomicCycleTest : public ::testing::Test {
 protected:
  AtomicCycleTest() : place_(CatalogKind::kRest, dir_.path() + "/live") {
    std::filesystem::create_directories(place_.folder);
    config_ = ConfigOf({{"bronze"}, {"silver", "bronze"}, {"gold", "silver"}});
    for (config::TableConfig& table : config_.tables) {
      table.source = "trades";
      table.buffer_micros = 0;
      table.lookback_micros = 0;
    }
    Fill(10);
  }

  void Fill(int64_t second) {
    for (int64_t i = 0; i < 6; ++i) place_.source.Insert({At(second - i), second * 100 + i, "a"});
    place_.source.SetNow(At(second));
  }

  // One process's cycle, with faults in every call.
  CycleReport Cycle(storage::FaultList& faults, std::function<void()> before_commit = nullptr) {
    storage::FaultInjectingFileIO file_io(place_.file_io, faults);
    auto rest =
        catalog::RestCatalog::Make(place_.rest->options, "", nullptr, place_.clock, place_.rest->stop).ValueOrDie();
    catalog::FaultInjectingCatalog faulty(*rest, faults);
    faulty.before_commit_tables = std::move(before_commit);
    auto opened = journal::OpenJournal("sqlite:///" + place_.JournalFile()).ValueOrDie();
    offload::FaultInjectingJournal journal(*opened, faults);
    CycleOptions options;
    options.tables = {0, 1, 2};
    reporter_ = std::make_unique<FakeReporter>(config_);
    auto report =
        RunAtomicCycle(config_, options, {place_.source, faulty, file_io, &journal, place_.clock, stop_}, *reporter_);
    if (!report.ok()) {
      CycleReport failed;  // nothing was begun
      failed.tables.resize(3);
      for (TableReport& table : failed.tables) {
        static_cast<schedule::TableOutcome&>(table.outcome) = schedule::TableOutcome::Failed(report.status());
      }
      return failed;
    }
    return std::move(*report);
  }
  CycleReport CleanCycle() {
    storage::FaultList none;
    return Cycle(none);
  }

  std::vector<std::optional<TimestampMicros>> Watermarks() {
    std::vector<std::optional<TimestampMicros>> marks;
    for (const config::TableConfig& table : config_.tables) {
      auto loaded = place_.OpenCatalog()->LoadTable(table.target);
      auto mark = loaded.ok() ? *offload::ReadWatermark(loaded->metadata) : std::nullopt;
      marks.push_back(mark ? std::optional(mark->stamp.window_to) : std::nullopt);
    }
    return marks;
  }
  void ExpectAllAt(int64_t second) { EXPECT_THAT(Watermarks(), Each(std::optional(At(second)))); }
  std::vector<TableState> States(const CycleReport& report) {
    std::vector<TableState> states;
    for (const TableReport& table : report.tables) states.push_back(table.outcome.state);
    return states;
  }
  void ExpectDone(const CycleReport& report) {
    for (const TableReport& table : report.tables) {
      EXPECT_EQ(table.outcome.state, TableState::kDone) << table.outcome.status.ToString() << table.outcome.reason;
    }
  }
  size_t Rows(size_t table) {
    auto loaded = place_.OpenCatalog()->LoadTable(config_.tables[table].target);
    return loaded.ok() ? offload::ReadColdRows(place_.file_io, loaded->metadata).size() : 0;
  }
  // Another engine's snapshot on a table.
  void ForeignCommit(size_t table) {
    auto inner = place_.OpenCatalog();
    const auto metadata = inner->LoadTable(config_.tables[table].target)->metadata;
    iceberg::Snapshot snapshot = *metadata.CurrentSnapshot();
    snapshot.parent_snapshot_id = snapshot.snapshot_id;
    snapshot.snapshot_id = RandomPositiveInt64();
    snapshot.sequence_number = metadata.last_sequence_number + 1;
    snapshot.summary = {{"operation", "append"}};
    std::vector<iceberg::TableUpdate> updates{
        iceberg::AddSnapshot{snapshot},
        iceberg::SetSnapshotRef{"main", iceberg::SnapshotRef{.snapshot_id = snapshot.snapshot_id}}};
    ASSERT_TRUE(inner->CommitTable(config_.tables[table].target, {}, updates).ok());
  }
  std::optional<journal::WatermarkRow> Mirror() {
    auto journal = journal::OpenJournal("sqlite:///" + place_.JournalFile()).ValueOrDie();
    return journal->ReadWatermark("trades").ValueOrDie();
  }

  TempDir dir_;
  OffloadPlace place_;
  config::Config config_;
  StopToken stop_;
  std::unique_ptr<FakeReporter> reporter_;
};

TEST_F(AtomicCycleTest, AllMoveInOneCommit) {
  std::vector<std::string> changes;
  std::optional<TimestampMicros> before;
  place_.rest->server.SetFaults([&](const http::SeenRequest& request) {
    if (request.method == "POST") changes.push_back(request.target.substr(request.target.rfind('/') + 1));
    // What the tables look like to others while the cycle works.
    if (request.target.ends_with("/transactions/commit")) {
      EXPECT_THAT(Watermarks(), Each(before));
    }
    return catalog::RestFault();
  });
  ExpectDone(CleanCycle());
  EXPECT_THAT(changes, ElementsAre("tables", "namespaces", "tables", "tables", "tables", "commit"));
  ExpectAllAt(10);
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(Rows(i), 6u);
  EXPECT_THAT(reporter_->ended, SizeIs(3));
  EXPECT_EQ(Mirror()->last_offload_timestamp, At(10));
  changes.clear();
  before = At(10);
  Fill(20);
  place_.source.AddColumn();  // schemas change before, and each by itself
  ExpectDone(CleanCycle());
  EXPECT_EQ(changes.back(), "commit");
  ExpectAllAt(20);
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(Rows(i), 12u);
}

TEST_F(AtomicCycleTest, AnOutcomeThatIsNotKnownIsFoundOut) {
  ExpectDone(CleanCycle());
  int64_t second = 10;
  for (const catalog::RestFault& fault : {catalog::RestFault{Kind::kLostRequest}, catalog::RestFault{Kind::kLostAnswer},
                                          catalog::RestFault{Kind::kAnswerAfter, 502}, catalog::RestFault{Kind::kTwice},
                                          catalog::RestFault{Kind::kHeld, 504}}) {
    Fill(second += 10);
    place_.rest->server.FailChanges({fault});
    ExpectDone(CleanCycle());
    place_.rest->server.LetArrive();  // the compare-and-set refuses it
    ExpectAllAt(second);
  }
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(Rows(i), 36u);
}

TEST_F(AtomicCycleTest, WhereItStaysUnknownNothingIsDeletedAndTheNextCycleTells) {
  ExpectDone(CleanCycle());
  Fill(20);
  place_.rest->server.FailChanges({{Kind::kHeld, 504}, {Kind::kHeld, 504}, {Kind::kHeld, 504}, {Kind::kHeld, 504}});
  const CycleReport report = CleanCycle();
  for (const TableReport& table : report.tables) {
    EXPECT_EQ(KindOf(table.outcome.status), ErrorKind::kUnknownOutcome);
    EXPECT_FALSE(table.offload);
  }
  ExpectAllAt(10);
  EXPECT_EQ(Mirror()->last_offload_timestamp, At(10));
  place_.rest->server.LetArrive();
  ExpectAllAt(20);
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(Rows(i), 12u) << "their files are there";
  Fill(30);
  ExpectDone(CleanCycle());
  ExpectAllAt(30);
}

TEST_F(AtomicCycleTest, AConflictOnOneTableMovesNone) {
  ExpectDone(CleanCycle());
  Fill(20);
  const std::set<std::string> before = offload::FilesOnDisk(place_);
  storage::FaultList none;
  const CycleReport report = Cycle(none, [&] { ForeignCommit(1); });
  EXPECT_THAT(States(report), Each(TableState::kFailed));
  for (const TableReport& table : report.tables) {
    EXPECT_EQ(KindOf(table.outcome.status), ErrorKind::kConflict) << table.outcome.status.ToString();
    EXPECT_THAT(MessageOf(table.outcome.status), HasSubstr(table.name));
    EXPECT_THAT(RemedyOf(table.outcome.status), HasSubstr("next cycle"));
  }
  ExpectAllAt(10);
  EXPECT_EQ(Mirror()->last_offload_timestamp, At(10)) << "the mirror tells of nothing that is not in";
  size_t left = 0;
  for (const std::string& file : offload::FilesOnDisk(place_)) {
    left += before.contains(file) || file.ends_with(".metadata.json") ? 0 : 1;
  }
  EXPECT_EQ(left, 0u) << "what was written for nothing is gone";
  ExpectDone(CleanCycle());
  ExpectAllAt(20);
}

TEST_F(AtomicCycleTest, WhoFailsIsLeftOutWithThoseAfterIt) {
  ExpectDone(CleanCycle());
  Fill(20);
  config_.tables[1].cursor.timestamp = "nothing";
  EXPECT_THAT(States(CleanCycle()), ElementsAre(TableState::kDone, TableState::kFailed, TableState::kSkipped));
  EXPECT_THAT(Watermarks(), ElementsAre(At(20), At(10), At(10)));
}

TEST_F(AtomicCycleTest, LateRowsAndChunksGoWithTheRest) {
  for (config::TableConfig& table : config_.tables) {
    table.lookback_micros = 2 * kMicrosPerDay;
    table.chunk.rows = 4;
  }
  ExpectDone(CleanCycle());
  place_.clock.ahead += 2 * 3600 * kMicrosPerSecond;
  place_.source.InsertBlock({{At(3), 77, "late"}});
  Fill(4000);
  int commits = 0;
  place_.rest->server.SetFaults([&](const http::SeenRequest& request) {
    commits += request.method == "POST";
    return catalog::RestFault();
  });
  ExpectDone(CleanCycle());
  EXPECT_EQ(commits, 1);
  ExpectAllAt(4000);
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(Rows(i), 13u);
  EXPECT_EQ(place_.OpenCatalog()->LoadTable(config_.tables[0].target)->metadata.snapshots.size(), 5u);
}

TEST_F(AtomicCycleTest, ACatalogWithoutItIsRefusedBeforeAnythingIsDone) {
  auto sql = place_.OpenCatalog();
  FakeReporter reporter(config_);
  CycleOptions options;
  options.tables = {0, 1, 2};
  auto report =
      RunAtomicCycle(config_, options, {place_.source, *sql, place_.file_io, nullptr, place_.clock, stop_}, reporter);
  EXPECT_EQ(KindOf(report.status()), ErrorKind::kConfig);
  EXPECT_THAT(reporter.started, SizeIs(0));
}

// Every few calls the process ends, or the call's answer is lost: all tables are where they were or where they are to
// be, and after the next cycle where they are to be, with each row once.
TEST_F(AtomicCycleTest, WhateverCallGoesWrongTheyMoveTogether) {
  using storage::FaultAction;
  ExpectDone(CleanCycle());
  Fill(20);
  const std::string kept = dir_.path() + "/kept";
  std::filesystem::copy(place_.folder, kept, std::filesystem::copy_options::recursive);
  int in = 0, out = 0;
  for (FaultAction action :
       {FaultAction::kDieBefore, FaultAction::kDieAfter, FaultAction::kFailBefore, FaultAction::kFailAfter}) {
    const bool dies = action == FaultAction::kDieBefore || action == FaultAction::kDieAfter;
    if (dies && !storage::kChildrenMayStartThreads) continue;
    bool hit = true;
    for (int nth = 0; hit; nth += 4) {
      std::filesystem::remove_all(place_.folder);
      std::filesystem::copy(kept, place_.folder, std::filesystem::copy_options::recursive);
      auto run = [&](storage::FaultList& faults) {
        faults.Inject({.point = std::nullopt, .action = action, .skip = nth});
        static_cast<void>(Cycle(faults));
      };
      if (dies) {
        const int code = storage::WaitForChild(storage::StartChild([&] {
          storage::FaultList faults;
          run(faults);
          return 0;
        }));
        hit = code == storage::kDiedByFault;
      } else {
        storage::FaultList faults;
        run(faults);
        hit = faults.HitCount() > 0;
      }
      const auto marks = Watermarks();
      if (dies) {
        EXPECT_TRUE(marks[0] == marks[1] && marks[1] == marks[2]) << nth;
      }
      // A table that failed is left out with those after it.
      for (size_t i = 1; i < 3; ++i) EXPECT_LE(*marks[i], *marks[i - 1]) << nth;
      ++(*marks[2] == At(20) ? in : out);
      ExpectDone(CleanCycle());
      ExpectAllAt(20);
      for (size_t i = 0; i < 3; ++i) ASSERT_EQ(Rows(i), 12u) << "call " << nth;
    }
  }
  EXPECT_GT(in, 5);
  EXPECT_GT(out, 5);
}

}  // namespace
}  // namespace calve::cycle
