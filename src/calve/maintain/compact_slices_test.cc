#include "calve/maintain/compact_slices.h"

#include <gtest/gtest.h>

#include "calve/maintain/testing_rows_table.h"
#include "calve/storage/testing_hooked_file_io.h"
#include "calve/table/plan_store.h"

namespace calve::maintain {
namespace {

using catalog::CommitFault;
using storage::FaultAction;

// A table, a plan of it, and the lines that its slices became.
struct SlicedTable : RowsTable {
  PlannedCompaction Plan(int64_t slice_bytes = 1) {
    CompactSlicesRequest request{{ident}, slice_bytes};
    auto planned = PlanCompactSlices(*catalog, *file_io, clock, stop, request);
    EXPECT_TRUE(planned.ok()) << planned.status().ToString();
    return *planned;
  }
  Result<std::string> WriteSlice(const std::string& line) {
    return CompactOneSlice(*file_io, stop, line, 64 << 20, nullptr);
  }
  std::vector<std::string> WriteAll(const PlannedCompaction& planned) {
    std::vector<std::string> lines;
    for (const std::string& line : planned.lines) {
      auto written = WriteSlice(line);
      EXPECT_TRUE(written.ok()) << written.status().ToString();
      lines.push_back(*written);
    }
    return lines;
  }
  Result<CommittedCompaction> CommitLines(const std::vector<std::string>& lines, bool keep = false) {
    return CommitCompactSlices(*catalog, *file_io, clock, {lines, "", keep}, NoSleep);
  }
  // Nothing of a plan is left, in the store or in doubt.
  void ExpectClean() {
    EXPECT_EQ(Files(), Referenced());
    ExpectNoPlan();
  }
  void ExpectNoPlan() {
    EXPECT_TRUE(file_io->List(Metadata().location + "/calve-plans")->empty());
    for (const storage::FileInfo& file : *file_io->List(Metadata().location + "/data")) {
      if (file.location.find("-compact-") == std::string::npos) continue;
      EXPECT_TRUE(Referenced().contains(storage::LocalPath(file.location))) << file.location;
    }
  }
};

TEST(CompactSlices, AsOneProcessCompacts) {
  SlicedTable table, other;
  table.FillDays();
  other.FillDays();
  const auto rows = table.Rows();
  const auto planned = table.Plan();
  ASSERT_EQ(planned.lines.size(), 2u);
  EXPECT_EQ(planned.rows, 110);
  EXPECT_EQ(table::ListPlans(*table.file_io, table.Metadata().location)->size(), 1u);
  const auto before = table.Metadata();
  const auto committed = table.CommitLines(table.WriteAll(planned));
  ASSERT_TRUE(committed.ok()) << committed.status().ToString();
  EXPECT_FALSE(committed->was_done);
  EXPECT_EQ(table.Rows(), rows);
  table.ExpectClean();
  const auto alone =
      CompactFiles(*other.catalog, *other.file_io, other.clock, other.stop, CompactionRequest{other.ident}, NoSleep);
  ASSERT_TRUE(alone.ok());
  const CompactionReport& report = committed->report;
  EXPECT_EQ(report.groups_done, alone->groups_done);
  EXPECT_EQ(report.files_removed, alone->files_removed);
  EXPECT_EQ(report.files_added, alone->files_added);
  EXPECT_EQ(report.rows, alone->rows);
  EXPECT_EQ(report.plan.small_files, alone->plan.small_files);
  ASSERT_EQ(report.snapshot_ids.size(), 1u) << "all groups in one snapshot";
  const auto after = table.Metadata();
  EXPECT_EQ(after.snapshots.size(), before.snapshots.size() + 1);
  const auto& summary = after.CurrentSnapshot()->summary;
  EXPECT_EQ(summary.at("operation"), "replace");
  EXPECT_EQ(summary.at("calve.kind"), "compact");
  EXPECT_EQ(summary.at("calve.commit-id"), table::PlanIdOf(planned.location));
  EXPECT_FALSE(summary.contains("calve.window-to"));
  for (const auto& task :
       table::PlanScan(*table.file_io, after, *after.current_snapshot_id, std::nullopt).ValueOrDie()) {
    EXPECT_LE(task.sequence_number, before.CurrentSnapshot()->sequence_number) << "as old as its rows";
  }
}

TEST(CompactSlices, NothingToDoIsNoPlan) {
  SlicedTable table;
  table.Append(0, 0, 10);
  const auto planned = table.Plan();
  EXPECT_TRUE(planned.lines.empty() && planned.location.empty());
  EXPECT_TRUE(table::ListPlans(*table.file_io, table.Metadata().location)->empty());
}

TEST(CompactSlices, SmallGroupsShareASlice) {
  SlicedTable table;
  table.FillDays();
  const auto planned = table.Plan(64 << 20);
  ASSERT_EQ(planned.lines.size(), 1u);
  const auto committed = table.CommitLines(table.WriteAll(planned));
  ASSERT_TRUE(committed.ok());
  EXPECT_EQ(committed->report.groups_done, 2);
}

TEST(CompactSlices, LinesThatDoNotAddUpAreRefusedAndLeaveNothing) {
  const auto replaced = [](std::string line, const std::string& from, const std::string& to) {
    EXPECT_NE(line.find(from), std::string::npos) << from << " in " << line;
    return line.replace(line.find(from), from.size(), to);
  };
  using Lines = std::vector<std::string>;
  const std::vector<std::pair<std::string, std::function<Lines(SlicedTable&, const Lines&)>>> cases = {
      {"1 of 2 slices are missing: 1", [](auto&, const Lines& all) { return Lines{all[0]}; }},
      {"slice 0 is there twice",
       [](auto&, const Lines& all) {
         return Lines{all[0], all[1], all[0]};
       }},
      {"JSON",
       [](auto&, const Lines& all) {
         return Lines{all[0], all[1].substr(0, all[1].size() / 2)};
       }},
      {"there is no slice 7",
       [&](auto&, const Lines& all) {
         return Lines{all[0], replaced(all[1], "\"slice\":1", "\"slice\":7")};
       }},
      {"of which 59 were kept",
       [&](auto&, const Lines& all) {
         return Lines{replaced(all[0], "\"rows\":60", "\"rows\":59"), all[1]};
       }},
      {"its files 61",
       [&](auto&, const Lines& all) {
         return Lines{replaced(all[0], "\"record-count\":60", "\"record-count\":61"), all[1]};
       }},
      {"is not there",
       [&](SlicedTable& table, const Lines& all) {
         for (const auto& file : *table.file_io->List(table.Metadata().location + "/data")) {
           if (file.location.find("/00001-") == std::string::npos) continue;
           EXPECT_TRUE(table.file_io->Delete(file.location).ok());
         }
         return all;
       }},
  };
  for (const auto& [words, change] : cases) {
    SlicedTable table;
    table.FillDays();
    const auto rows = table.Rows();
    const auto files = table.Files();
    const auto lines = change(table, table.WriteAll(table.Plan()));
    const auto kept = table.CommitLines(lines, /*keep=*/true);
    EXPECT_NE(kept.status().ToString().find(words), std::string::npos) << kept.status().ToString();
    EXPECT_EQ(table::ListPlans(*table.file_io, table.Metadata().location)->size(), 1u);
    const auto refused = table.CommitLines(lines);
    EXPECT_NE(refused.status().ToString().find(words), std::string::npos) << refused.status().ToString();
    EXPECT_EQ(table.Rows(), rows);
    EXPECT_EQ(table.Files(), files) << words;
  }
}

TEST(CompactSlices, AttemptsThatNobodyNeedsAreSwept) {
  SlicedTable table;
  table.FillDays();
  const auto rows = table.Rows();
  const auto planned = table.Plan();
  const auto first = table.WriteAll(planned), second = table.WriteAll(planned);
  EXPECT_NE(first, second);
  const auto committed = table.CommitLines({second[1], first[0]});
  ASSERT_TRUE(committed.ok()) << committed.status().ToString();
  EXPECT_EQ(committed->files_swept, 2);
  EXPECT_EQ(table.Rows(), rows);
  table.ExpectClean();
  // One that comes later still finds the plan ended.
  EXPECT_EQ(KindOf(table.WriteSlice(planned.lines[0]).status()), ErrorKind::kConflict);
  table.ExpectClean();
}

TEST(CompactSlices, AWriterThatEndsAfterTheCommitLeavesNothing) {
  SlicedTable table;
  table.FillDays();
  const auto planned = table.Plan();
  const auto lines = table.WriteAll(planned);
  // Commits when the last file of the late attempt is read back.
  struct Late : catalog::Interloper {
    using Interloper::Interloper;
    Result<std::shared_ptr<arrow::io::RandomAccessFile>> OpenInput(const std::string& location) override {
      if (location.find("-compact-") != std::string::npos && before_end) std::exchange(before_end, nullptr)();
      return Interloper::OpenInput(location);
    }
    std::function<void()> before_end;
  };
  Late late(*table.file_io);
  late.before_end = [&] { EXPECT_TRUE(table.CommitLines(lines).ok()); };
  const auto written = CompactOneSlice(late, table.stop, planned.lines[0], 64 << 20, nullptr);
  EXPECT_FALSE(written.ok());
  table.ExpectClean();
}

TEST(CompactSlices, TheSameCommitAgainIsDoneAlready) {
  SlicedTable table;
  table.FillDays();
  const auto lines = table.WriteAll(table.Plan());
  ASSERT_TRUE(table.CommitLines(lines).ok());
  const auto after = table.Metadata();
  const auto again = table.CommitLines(lines);
  ASSERT_TRUE(again.ok()) << again.status().ToString();
  EXPECT_TRUE(again->was_done);
  EXPECT_EQ(again->report.files_removed, 11);
  EXPECT_EQ(table.Metadata().snapshots.size(), after.snapshots.size());
  table.ExpectClean();
}

// The process died between the snapshot and the end of the plan; meanwhile the snapshot was expired, and others went
// on.
TEST(CompactSlices, FilesThatAreInTheTableAreNeverSwept) {
  SlicedTable table;
  table.FillDays();
  const auto planned = table.Plan();
  const auto lines = table.WriteAll(planned);
  const auto header = table.file_io->Read(planned.location).ValueOrDie();
  const auto text = table::ReadPlanLines(*table.file_io, planned.location).ValueOrDie();
  const auto committed = table.CommitLines(lines);
  ASSERT_TRUE(committed.ok());
  table.Append(0, 9000, 10);
  const auto rows = table.Rows();
  table.Update({iceberg::RemoveSnapshots{{committed->report.snapshot_ids.at(0)}}});
  ASSERT_TRUE(table::StorePlan(*table.file_io, planned.location, header, text).ok());
  const auto again = table.CommitLines({lines[0]});  // a slice is missing, too
  ASSERT_TRUE(again.ok()) << again.status().ToString();
  EXPECT_TRUE(again->was_done);
  EXPECT_EQ(table.Rows(), rows);
  EXPECT_TRUE(table::ListPlans(*table.file_io, table.Metadata().location)->empty());
  table.Referenced();
}

// Who gives the plan up, or refuses its lines, has seen a table without the commit.
TEST(CompactSlices, ACommitThatComesAndEndsMeanwhileKeepsItsFiles) {
  enum class Ends { kAbandoned, kRefused, kPlannedAnew };
  for (const Ends ends : {Ends::kAbandoned, Ends::kRefused, Ends::kPlannedAnew}) {
    SlicedTable table;
    table.FillDays();
    const auto rows = table.Rows();
    const auto planned = table.Plan();
    const auto lines = table.WriteAll(planned);
    storage::HookedFileIO hooked(*table.file_io);
    hooked.Before(storage::FaultPoint::kDelete, ".json", [&] { EXPECT_TRUE(table.CommitLines(lines).ok()); });
    if (ends == Ends::kAbandoned) {
      EXPECT_EQ(AbandonCompactPlans(*table.catalog, hooked, table.ident).ValueOrDie(), 1);
    } else if (ends == Ends::kRefused) {
      (void)CommitCompactSlices(*table.catalog, hooked, table.clock, {{lines[0]}, "", false}, NoSleep);
    } else {
      CompactSlicesRequest request{{table.ident}, 1};
      request.lease_micros = 0;
      EXPECT_TRUE(PlanCompactSlices(*table.catalog, hooked, table.clock, table.stop, request).ok());
      EXPECT_TRUE(AbandonCompactPlans(*table.catalog, *table.file_io, table.ident).ok());
    }
    EXPECT_TRUE(hooked.has_run());
    EXPECT_EQ(table.Rows(), rows);
    table.ExpectClean();
  }
}

TEST(CompactSlices, GroupsThatOthersChangedStayAndTheRestIsOneSnapshot) {
  SlicedTable table;
  table.FillDays();
  for (int i = 0; i < 4; ++i) table.Append(5, 100 * i, 10);
  const auto planned = table.Plan();
  ASSERT_EQ(planned.lines.size(), 3u);
  const auto lines = table.WriteAll(planned);
  // Another one's compaction of the first day, and rows that come to the others.
  const auto metadata = table.Metadata();
  const auto files = table::ListDataFiles(*table.file_io, metadata, *metadata.current_snapshot_id).ValueOrDie();
  std::vector<iceberg::DataFile> of_first_day;
  for (const auto& file : files) {
    if (file.partition.front() == iceberg::Literal(int32_t{0})) of_first_day.push_back(file);
  }
  table.Commit({table.Write(0, 0, 60)}, of_first_day);
  table.Append(1, 5000, 10);
  const auto rows = table.Rows();
  const auto snapshots = table.Metadata().snapshots.size();
  const auto committed = table.CommitLines(lines);
  ASSERT_TRUE(committed.ok()) << committed.status().ToString();
  EXPECT_EQ(committed->report.groups_done, 2);
  EXPECT_EQ(committed->report.groups_lost, 1);
  EXPECT_EQ(committed->report.notes.size(), 1u);
  EXPECT_EQ(table.Metadata().snapshots.size(), snapshots + 1);
  EXPECT_EQ(table.Rows(), rows);
  table.ExpectClean();
}

TEST(CompactSlices, AnExpiredPlanLosesAllGroups) {
  SlicedTable table;
  table.FillDays();
  const auto lines = table.WriteAll(table.Plan());
  const auto planned_on = *table.Metadata().current_snapshot_id;
  table.Append(1, 5000, 10);
  table.Update({iceberg::RemoveSnapshots{{planned_on}}});
  const auto rows = table.Rows();
  const auto committed = table.CommitLines(lines);
  ASSERT_TRUE(committed.ok()) << committed.status().ToString();
  EXPECT_EQ(committed->report.groups_lost, 2);
  EXPECT_EQ(table.Rows(), rows);
  table.ExpectNoPlan();
}

TEST(CompactSlices, OutcomesAreFoundOut) {
  for (const auto fault :
       {CommitFault::kConflict, CommitFault::kLostAnswer, CommitFault::kLostRequest, CommitFault::kLateEffect}) {
    SlicedTable table;
    table.FillDays();
    const auto lines = table.WriteAll(table.Plan());
    FaultyTable faulty(table);
    faulty.catalog.faults = {fault};
    faulty.catalog.before_commit = [&] { table.Append(1, 5000, 10); };
    const auto committed = CommitCompactSlices(faulty.catalog, faulty.file_io, table.clock, {lines}, NoSleep);
    ASSERT_TRUE(committed.ok()) << committed.status().ToString();
    EXPECT_EQ(committed->report.groups_done, 2);
    EXPECT_EQ(table.Rows().size(), 140u);
    table.ExpectClean();
  }
}

TEST(CompactSlices, AnUnknownOutcomeDeletesNothingAndTheSameCallGoesOn) {
  SlicedTable table;
  table.FillDays();
  const auto rows = table.Rows();
  const auto lines = table.WriteAll(table.Plan());
  FaultyTable faulty(table);
  faulty.catalog.faults = {CommitFault::kLostRequest, CommitFault::kLostRequest, CommitFault::kHeldEffect};
  const auto unknown = CommitCompactSlices(faulty.catalog, faulty.file_io, table.clock, {lines}, NoSleep);
  EXPECT_EQ(KindOf(unknown.status()), ErrorKind::kUnknownOutcome);
  EXPECT_EQ(table::ListPlans(*table.file_io, table.Metadata().location)->size(), 1u);
  ASSERT_TRUE(faulty.catalog.held->ArriveAt(*table.catalog).ok());
  const auto again = table.CommitLines(lines);
  ASSERT_TRUE(again.ok()) << again.status().ToString();
  EXPECT_TRUE(again->was_done);
  EXPECT_EQ(table.Rows(), rows);
  EXPECT_EQ(table.LiveNames().size(), 4u);
  table.ExpectNoPlan();  // of the try that did not land, orphan removal finds a manifest list
}

TEST(CompactSlices, WhateverCallOfTheCommitGoesWrongItGoesOn) {
  int hits = 0;
  for (const FaultAction action : {FaultAction::kFailBefore, FaultAction::kFailAfter}) {
    for (int skip = 0;; skip += 7) {
      SlicedTable table;
      table.FillDays();
      const auto rows = table.Rows();
      const auto lines = table.WriteAll(table.Plan());
      FaultyTable faulty(table);
      faulty.faults.Inject({std::nullopt, action, "", skip});
      const auto first = CommitCompactSlices(faulty.catalog, faulty.file_io, table.clock, {lines}, NoSleep);
      ASSERT_EQ(table.Rows(), rows) << skip;
      table.Referenced();
      if (faulty.faults.HitCount() == 0) break;
      ++hits;
      const auto again = table.CommitLines(lines);
      ASSERT_EQ(table.Rows(), rows) << skip;
      table.Referenced();
      ASSERT_TRUE(table::ListPlans(*table.file_io, table.Metadata().location)->empty()) << skip;
      // Done, or refused as a whole: then a new plan does it.
      if (!again.ok()) {
        ASSERT_EQ(KindOf(again.status()), ErrorKind::kConflict) << again.status().ToString();
        ASSERT_TRUE(table.CommitLines(table.WriteAll(table.Plan())).ok());
      }
      ASSERT_EQ(table.LiveNames().size(), 4u) << skip;
    }
  }
  EXPECT_GT(hits, 5);
}

}  // namespace
}  // namespace calve::maintain
