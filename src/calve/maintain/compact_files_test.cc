#include "calve/maintain/compact_files.h"

#include <arrow/array/array_primitive.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/builder.h>
#include <gtest/gtest.h>

#include "calve/datafile/arrow_schema.h"
#include "calve/datafile/data_file_reader.h"
#include "calve/datafile/data_file_writer.h"
#include "calve/maintain/testing_rows_table.h"
#include "calve/storage/testing_child_process.h"

namespace calve::maintain {
namespace {

using catalog::CommitFault;
using storage::FaultAction;

Result<CompactionReport> Compact(RowsTable& table, bool dry_run = false) {
  CompactionRequest request{table.ident};
  request.dry_run = dry_run;
  return CompactFiles(*table.catalog, *table.file_io, table.clock, table.stop, request, NoSleep);
}

Result<CompactionReport> CompactThrough(FaultyTable& faulty, RowsTable& table, int64_t commit_bytes = 4LL << 30) {
  CompactionRequest request{table.ident};
  request.commit_bytes = commit_bytes;
  return CompactFiles(faulty.catalog, faulty.file_io, table.clock, table.stop, request, NoSleep);
}

TEST(CompactFiles, SmallFilesOfAPartitionBecomeOneWithTheSameRows) {
  RowsTable table;
  table.FillDays();
  const auto rows = table.Rows();
  ASSERT_EQ(rows.size(), 130u);
  const iceberg::TableMetadata before = table.Metadata();
  const auto dry = Compact(table, /*dry_run=*/true);
  EXPECT_EQ(dry->files_removed, 11);
  EXPECT_EQ(dry->files_added, 2);
  EXPECT_EQ(table.Metadata().snapshots.size(), before.snapshots.size());
  const auto report = Compact(table);
  ASSERT_TRUE(report.ok()) << report.status().ToString();
  EXPECT_EQ(report->groups_done, 2);
  EXPECT_EQ(report->files_removed, 11);
  EXPECT_EQ(report->files_added, 2);
  EXPECT_EQ(report->rows, 110);
  EXPECT_LT(report->bytes_added, report->bytes_removed);
  ASSERT_EQ(report->snapshot_ids.size(), 1u);
  EXPECT_EQ(table.Rows(), rows);
  const iceberg::TableMetadata after = table.Metadata();
  const auto& summary = after.CurrentSnapshot()->summary;
  EXPECT_EQ(summary.at("operation"), "replace");
  EXPECT_EQ(summary.at("calve.kind"), "compact");
  EXPECT_FALSE(summary.contains("calve.window-to"));
  EXPECT_EQ(summary.at("total-records"), "130");
  EXPECT_EQ(summary.at("total-data-files"), "4");
  EXPECT_EQ(after.properties, before.properties);
  EXPECT_EQ(table.Files(), table.Referenced());
  for (const auto& task :
       table::PlanScan(*table.file_io, after, *after.current_snapshot_id, std::nullopt).ValueOrDie()) {
    EXPECT_LE(task.sequence_number, before.CurrentSnapshot()->sequence_number) << "as old as its rows";
  }
  EXPECT_EQ(Compact(table)->groups, 0);
}

TEST(CompactFiles, InTheTablesSortOrderWhereMemoryHoldsAGroup) {
  for (const int64_t memory : {int64_t{64} << 20, int64_t{2} << 20}) {
    RowsTable table;
    table.Update({iceberg::AddSortOrder{{1, {{1, iceberg::ParseTransform("identity"), false, true}}}},
                  iceberg::SetDefaultSortOrder{-1}});
    for (int i = 0; i < 5; ++i) table.Append(0, 17'000 * i, 17'000);
    CompactionRequest request{table.ident};
    request.memory_bytes = memory;
    const auto rows = table.Rows();
    const auto report = CompactFiles(*table.catalog, *table.file_io, table.clock, table.stop, request, NoSleep);
    ASSERT_TRUE(report.ok()) << report.status().ToString();
    EXPECT_EQ(table.Rows(), rows);
    const iceberg::TableMetadata metadata = table.Metadata();
    const auto files = table::ListDataFiles(*table.file_io, metadata, *metadata.current_snapshot_id).ValueOrDie();
    datafile::ReadRequest read;
    read.schema = metadata.schema();
    auto reader = datafile::DataFileReader::Open(*table.file_io, files.front(), std::move(read)).ValueOrDie();
    const auto batch = reader->Next().ValueOrDie();
    const auto& column = static_cast<const arrow::TimestampArray&>(*batch->column(0));
    const bool sorted = memory > int64_t{2} << 20;
    EXPECT_EQ(files.front().sort_order_id, sorted ? 1 : 0);
    EXPECT_EQ(column.Value(0) > column.Value(1), sorted);
  }
}

TEST(CompactFiles, NotFewerFilesAreNoGain) {
  RowsTable table;
  for (int i = 0; i < 5; ++i) table.Append(0, 10 * i, 10);
  const auto before = table.Files();
  CompactionRequest request{table.ident};
  request.memory_bytes = 1;  // each batch closes its file
  const auto report = CompactFiles(*table.catalog, *table.file_io, table.clock, table.stop, request, NoSleep);
  ASSERT_TRUE(report.ok()) << report.status().ToString();
  EXPECT_EQ(report->groups_lost, 1);
  EXPECT_NE(report->notes.at(0).find("--memory"), std::string::npos);
  EXPECT_EQ(table.Files(), before);
  EXPECT_EQ(table.Metadata().snapshots.size(), 5u);
}

TEST(CompactFiles, AGroupWhoseFilesGoMeanwhileIsThrownAwayAndTheOthersAreDone) {
  RowsTable table;
  table.FillDays();
  const auto files = table::ListDataFiles(*table.file_io, table.Metadata(), *table.Metadata().current_snapshot_id);
  FaultyTable faulty(table);
  faulty.catalog.before_commit = [&] {
    const auto of_first_day = std::find_if(files->begin(), files->end(), [](const auto& file) {
      return file.partition.front() == iceberg::Literal(int32_t{0});
    });
    table.Commit({}, {*of_first_day});
    table.Append(0, 5000, 10);
  };
  const auto report = CompactThrough(faulty, table);
  ASSERT_TRUE(report.ok()) << report.status().ToString();
  EXPECT_EQ(report->groups_done, 1);
  EXPECT_EQ(report->groups_lost, 1);
  EXPECT_EQ(report->notes.size(), 1u);
  EXPECT_EQ(table.Rows().size(), 130u);
  EXPECT_EQ(table.Files(), table.Referenced()) << "what was written for the lost group is gone";
  ASSERT_TRUE(Compact(table).ok());
  EXPECT_EQ(table.Rows().size(), 130u);
}

TEST(CompactFiles, WhatOthersAppendMeanwhileStaysAndOutcomesAreFoundOut) {
  for (const auto fault : {CommitFault::kNone, CommitFault::kConflict, CommitFault::kLostAnswer,
                           CommitFault::kLostRequest, CommitFault::kLateEffect}) {
    RowsTable table;
    table.FillDays();
    FaultyTable faulty(table);
    faulty.catalog.faults = {fault};
    faulty.catalog.before_commit = [&] { table.Append(1, 5000, 10); };
    const auto report = CompactThrough(faulty, table);
    ASSERT_TRUE(report.ok()) << report.status().ToString();
    EXPECT_EQ(report->groups_done, 2);
    EXPECT_EQ(table.Rows().size(), 140u);
    EXPECT_EQ(table.Metadata().CurrentSnapshot()->summary.at("total-data-files"), "5");
    EXPECT_EQ(table.Files(), table.Referenced());
  }
}

TEST(CompactFiles, AnUnknownOutcomeDeletesNothing) {
  RowsTable table;
  table.FillDays();
  const auto rows = table.Rows();
  FaultyTable faulty(table);
  faulty.catalog.faults = {CommitFault::kLostRequest, CommitFault::kLostRequest, CommitFault::kHeldEffect};
  const auto report = CompactThrough(faulty, table);
  EXPECT_EQ(KindOf(report.status()), ErrorKind::kUnknownOutcome);
  EXPECT_EQ(table.Rows(), rows);
  ASSERT_TRUE(faulty.catalog.held->ArriveAt(*table.catalog).ok());
  EXPECT_EQ(table.Rows(), rows);
  EXPECT_EQ(table.LiveNames().size(), 4u);
}

// Bytes that change on their way: the fingerprint of what was written is not that of what was read.
// Asks for a stop when the file of the second group is begun.
class StoppingFileIO : public storage::FaultInjectingFileIO {
 public:
  StoppingFileIO(storage::FileIO& inner, StopToken& stop) : FaultInjectingFileIO(inner), stop_(stop) {}
  Result<std::shared_ptr<arrow::io::OutputStream>> OpenOutput(const std::string& location) override {
    if (++outputs_ == 2) stop_.RequestStop();
    return FaultInjectingFileIO::OpenOutput(location);
  }

 private:
  StopToken& stop_;
  int outputs_ = 0;
};

TEST(CompactFiles, WhatWasWrittenBeforeAStopIsCommitted) {
  RowsTable table;
  table.FillDays();
  const auto rows = table.Rows();
  StoppingFileIO file_io(*table.file_io, table.stop);
  const auto report =
      CompactFiles(*table.catalog, file_io, table.clock, table.stop, CompactionRequest{table.ident}, NoSleep);
  EXPECT_EQ(KindOf(report.status()), ErrorKind::kStopped);
  EXPECT_EQ(table.Rows(), rows);
  // The first day's six files are one; the second day's five stay as they were, and nothing is left of their rewriting.
  EXPECT_EQ(table.Metadata().CurrentSnapshot()->summary.at("total-data-files"), "8");
  EXPECT_EQ(table.Files(), table.Referenced());
}

TEST(CompactFiles, AProofThatFailsLeavesTheTableAsItWas) {
  RowsTable table;
  for (int i = 0; i < 5; ++i) table.Append(0, 10 * i, 10);
  const auto rows = table.Rows();
  const auto other = table.Write(0, 7000, 50);
  // The file that is read back is another one with as many rows.
  struct Swapping : catalog::Interloper {
    using Interloper::Interloper;
    Result<std::shared_ptr<arrow::io::RandomAccessFile>> OpenInput(const std::string& location) override {
      return Interloper::OpenInput(location.find("-compact-") != std::string::npos ? instead : location);
    }
    std::string instead;
  };
  Swapping swapping(*table.file_io);
  swapping.instead = other.file_path;
  const auto before = table.Files();
  const auto report = CompactFiles(*table.catalog, swapping, table.clock, table.stop, {table.ident}, NoSleep);
  EXPECT_EQ(KindOf(report.status()), ErrorKind::kCorrupt) << report.status().ToString();
  EXPECT_EQ(table.Rows(), rows);
  EXPECT_EQ(table.Files(), before);
}

TEST(CompactFiles, WhateverCallGoesWrongTheRowsAreTheSame) {
  for (const FaultAction action :
       {FaultAction::kFailBefore, FaultAction::kFailAfter, FaultAction::kDieBefore, FaultAction::kDieAfter}) {
    const bool dies = action == FaultAction::kDieBefore || action == FaultAction::kDieAfter;
    if (dies && !storage::kChildrenMayStartThreads) continue;
    int hits = 0;
    for (int skip = 0;; skip += dies ? 23 : 9) {
      RowsTable table;
      table.FillDays();
      const auto rows = table.Rows();
      const auto run = [&] {
        FaultyTable faulty(table);
        faulty.faults.Inject({std::nullopt, action, "", skip});
        static_cast<void>(CompactThrough(faulty, table, /*commit_bytes=*/1));
        return faulty.faults.HitCount() > 0 ? storage::kDiedByFault : 0;
      };
      const int ended = dies ? storage::WaitForChild(storage::StartChild(run)) : run();
      ASSERT_EQ(table.Rows(), rows);
      table.Referenced();
      const auto again = Compact(table);
      ASSERT_TRUE(again.ok()) << again.status().ToString();
      ASSERT_EQ(table.Rows(), rows);
      ASSERT_EQ(table.LiveNames().size(), 4u);
      if (ended == 0) break;
      ASSERT_EQ(ended, storage::kDiedByFault);
      ++hits;
    }
    EXPECT_GT(hits, dies ? 3 : 8);
  }
}

}  // namespace
}  // namespace calve::maintain
