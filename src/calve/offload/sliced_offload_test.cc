// A window by its three steps (plan_slices.h, write_planned_slice.h, plan_commit.h), where something else happens
// between two of their calls. tests/interop/test_slices.py has them as processes that are killed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <utility>

#include "calve/offload/plan_commit.h"
#include "calve/offload/plan_slices.h"
#include "calve/offload/slice_lines.h"
#include "calve/offload/table_lease.h"
#include "calve/offload/testing_offload_place.h"
#include "calve/offload/write_planned_slice.h"
#include "calve/storage/testing_hooked_file_io.h"
#include "calve/table/plan_store.h"

namespace calve::offload {
namespace {

using catalog::CommitFault;
using storage::FaultAction;
using storage::FaultPoint;
using ::testing::HasSubstr;
using Lines = std::vector<std::string>;

constexpr TimestampMicros kSlicedNoon = 1'723'204'800'000'000;
constexpr int kSlicedRows = 20;

class SlicedOffload : public ::testing::Test, public ProgressSink {
 protected:
  SlicedOffload() : place_(CatalogKind::kSql, dir_.path() + "/w") {
    std::filesystem::create_directories(place_.folder);
    inner_ = place_.OpenCatalog();
    catalog_ = std::make_unique<catalog::FaultInjectingCatalog>(*inner_);
    journal_ = journal::OpenJournal(place_.JournalUri()).ValueOrDie();
    Insert(kSlicedRows);
  }

  // Rows of the window; the clock stands at the last.
  void Insert(int count) {
    for (int i = 0; i < count; ++i) {
      ++last_;
      place_.source.Insert({kSlicedNoon + last_, last_, "a"});
    }
    place_.source.SetNow(kSlicedNoon + last_);
  }
  // Inside the window, and in its first slice.
  void InsertLate() { place_.source.Insert({kSlicedNoon + 1, --late_, "late"}); }

  Result<PlannedSlices> TryPlan(bool resume = false) {
    const OffloadContext context{place_.source, *catalog_, file_io_, journal_.get(), place_.clock, stop_, *this};
    PlanSlicesRequest request;
    request.slices = 4;
    request.resume = resume;
    return PlanSlices(context, place_.request, request);
  }
  PlannedSlices Plan() { return TryPlan().ValueOrDie(); }
  // Another process's.
  void GiveUp() {
    const OffloadContext context{place_.source, *inner_, place_.file_io, journal_.get(), place_.clock, stop_, *this};
    EXPECT_EQ(AbandonPlans(context, place_.request).ValueOrDie(), 1);
  }
  Result<std::string> WriteOne(const PlannedSlices& planned, size_t slice, int attempts = 3) {
    SliceWriteOptions options;
    options.memory_bytes = 8 << 20;
    options.attempts_max = attempts;
    ARROW_ASSIGN_OR_RAISE(const auto line, ReadSliceLine(planned.lines.at(slice)));
    ARROW_ASSIGN_OR_RAISE(const auto written, WritePlannedSlice({place_.source, place_.file_io, stop_, *this},
                                                                planned.plan, line, options));
    ARROW_ASSIGN_OR_RAISE(const auto types, PartitionTypesOf(planned.plan));
    return WriteWrittenLine(written, types);
  }
  Lines WriteAll(const PlannedSlices& planned) {
    Lines written;
    for (size_t i = 0; i < planned.lines.size(); ++i) written.push_back(WriteOne(planned, i).ValueOrDie());
    return written;
  }
  Result<OffloadResult> Commit(const Lines& lines) {
    return CommitPlan({*catalog_, file_io_, journal_.get(), place_.clock, *this}, {lines, "", false});
  }
  // Another process's.
  Result<OffloadResult> CommitElsewhere(const Lines& lines) {
    return CommitPlan({*inner_, place_.file_io, journal_.get(), place_.clock, *this}, {lines, "", false});
  }

  std::vector<int64_t> Ids() {
    std::vector<int64_t> ids;
    for (const ColdRow& row : ReadColdRows(place_.file_io, place_.Load().metadata)) ids.push_back(row.id);
    std::sort(ids.begin(), ids.end());
    return ids;
  }
  std::vector<int64_t> AllIds() const {
    std::vector<int64_t> ids;
    for (int64_t id = 1; id <= last_; ++id) ids.push_back(id);
    return ids;
  }
  size_t DataFiles() { return place_.file_io.List(place_.Load().metadata.location + "/data")->size(); }
  size_t PlanFiles() { return place_.file_io.List(table::PlansFolder(place_.Load().metadata.location))->size(); }
  // Of all rows once, and of nothing else.
  void ExpectWhole() {
    EXPECT_EQ(Ids(), AllIds());
    EXPECT_EQ(PlanFiles(), 0U);
    std::set<std::string> wanted = ReferencedFiles(place_.file_io, place_.Load());
    for (const auto& file : *place_.file_io.List(place_.Load().metadata.location + "/data")) {
      EXPECT_TRUE(wanted.contains(storage::LocalPath(file.location))) << file.location;
    }
  }

  void Update(const Progress& progress) override {
    if (on_progress_) std::exchange(on_progress_, nullptr)();
  }
  void Note(const std::string& text) override { notes_.push_back(text); }

  TempDir dir_;
  OffloadPlace place_;
  std::unique_ptr<catalog::Catalog> inner_;
  std::unique_ptr<catalog::FaultInjectingCatalog> catalog_;
  std::unique_ptr<journal::Journal> journal_;
  storage::HookedFileIO file_io_{place_.file_io};
  StopToken stop_;
  std::function<void()> on_progress_;  // once
  std::vector<std::string> notes_;
  int64_t last_ = 0, late_ = 1;
};

TEST_F(SlicedOffload, HoldsWhatTheWindowHeld) {
  const PlannedSlices planned = Plan();
  EXPECT_GE(planned.lines.size(), 4U);
  EXPECT_EQ(planned.plan.rows, kSlicedRows);
  const OffloadResult done = Commit(WriteAll(planned)).ValueOrDie();
  EXPECT_EQ(done.rows, kSlicedRows);
  EXPECT_EQ(place_.Load().metadata.CurrentSnapshot()->summary.at("calve.max-sequence"), std::to_string(kSlicedRows));
  ExpectWhole();
}

// Written last to first, so that the largest sequence number is not of the last line.
TEST_F(SlicedOffload, TheOrderOfLinesDoesNotMatter) {
  Lines written = WriteAll(Plan());
  std::reverse(written.begin(), written.end());
  ASSERT_TRUE(Commit(written).ok());
  EXPECT_EQ(place_.Load().metadata.CurrentSnapshot()->summary.at("calve.max-sequence"), std::to_string(kSlicedRows));
  ExpectWhole();
}

// --- writers --------------------------------------------------------------------------------------------------------

TEST_F(SlicedOffload, AWriterWhosePlanEndsMeanwhileLeavesNothing) {
  const PlannedSlices planned = Plan();
  place_.source.before_rows = [&] { GiveUp(); };
  const auto late = WriteOne(planned, 0);
  EXPECT_EQ(KindOf(late.status()), ErrorKind::kConflict) << late.status().ToString();
  EXPECT_THAT(MessageOf(late.status()), HasSubstr("is over"));
  EXPECT_EQ(DataFiles(), 0U);
}

TEST_F(SlicedOffload, RowsThatComeWhileASliceIsReadAreReadAgain) {
  const PlannedSlices planned = Plan();
  // One that is read and was not planned, and one that ClickHouse counts and that was not read.
  place_.source.before_rows = [&] {
    InsertLate();
    on_progress_ = [&] { InsertLate(); };
  };
  const auto refused = WriteOne(planned, 0, /*attempts=*/1);
  EXPECT_EQ(KindOf(refused.status()), ErrorKind::kRetry) << refused.status().ToString();
  EXPECT_THAT(RemedyOf(refused.status()), HasSubstr("--buffer"));
  EXPECT_EQ(DataFiles(), 0U) << "of an attempt that is not told of";

  place_.source.before_rows = [&] { on_progress_ = [&] { InsertLate(); }; };
  Lines written = {WriteOne(planned, 0).ValueOrDie()};
  EXPECT_THAT(written[0], HasSubstr("\"as_planned\":false"));
  for (size_t i = 1; i < planned.lines.size(); ++i) written.push_back(WriteOne(planned, i).ValueOrDie());
  const OffloadResult done = Commit(written).ValueOrDie();
  EXPECT_EQ(done.rows, kSlicedRows + 3);
  EXPECT_EQ(Ids().size(), kSlicedRows + 3U);
  EXPECT_THAT(done.notes.front(), HasSubstr("other rows than were planned"));
  EXPECT_EQ(DataFiles(), static_cast<size_t>(done.files));
}

TEST_F(SlicedOffload, AWriterOfAnotherTableIsRefused) {
  PlannedSlices planned = Plan();
  EXPECT_EQ(planned.plan.identity.answer, "uuid");
  planned.plan.identity.answer = "another";
  const auto refused = WriteOne(planned, 0);
  EXPECT_EQ(KindOf(refused.status()), ErrorKind::kConfig);
  EXPECT_THAT(MessageOf(refused.status()), HasSubstr("another one of that name"));
  planned.plan.identity = {};
  planned.plan.replicas = {{"http://a:8123"}, {"http://b:8123"}};
  EXPECT_THAT(MessageOf(WriteOne(planned, 0).status()), HasSubstr("on the 2 shards of a cluster"));
  EXPECT_EQ(DataFiles(), 0U);
}

// --- a commit, and somebody who gives the plan up -------------------------------------------------------------------

TEST_F(SlicedOffload, APlanThatIsGivenUpBeforeTheCommitsMarkIsNotCommitted) {
  const Lines written = WriteAll(Plan());
  file_io_.Before(FaultPoint::kWriteNew, ".commit-", [&] { GiveUp(); });
  const auto refused = Commit(written);
  EXPECT_TRUE(file_io_.has_run());
  EXPECT_EQ(KindOf(refused.status()), ErrorKind::kConflict) << refused.status().ToString();
  EXPECT_EQ(place_.Load().metadata.CurrentSnapshot(), nullptr);
  EXPECT_EQ(DataFiles() + PlanFiles(), 0U);
}

TEST_F(SlicedOffload, APlanThatIsGivenUpBehindTheCommitsMarkKeepsItsFiles) {
  const Lines written = WriteAll(Plan());
  catalog_->before_commit = [&] { GiveUp(); };
  EXPECT_EQ(Commit(written).ValueOrDie().rows, kSlicedRows);
  ExpectWhole();
}

// The other way round: who gives the plan up, or refuses its lines, has seen a table without the commit.
TEST_F(SlicedOffload, ACommitThatComesAndEndsMeanwhileKeepsItsFiles) {
  const Lines written = WriteAll(Plan());
  const auto commits = [&] { EXPECT_EQ(CommitElsewhere(written).ValueOrDie().rows, kSlicedRows); };
  file_io_.Before(FaultPoint::kDelete, ".json", commits);
  const OffloadContext context{place_.source, *catalog_, file_io_, journal_.get(), place_.clock, stop_, *this};
  EXPECT_EQ(AbandonPlans(context, place_.request).ValueOrDie(), 1);
  EXPECT_TRUE(file_io_.has_run());
  ExpectWhole();
}
TEST_F(SlicedOffload, ACommitThatComesAndEndsWhileAnotherIsRefusedKeepsItsFiles) {
  const PlannedSlices planned = Plan();
  const Lines written = WriteAll(planned);
  Lines wrong = WriteAll(planned);
  wrong.pop_back();
  file_io_.Before(FaultPoint::kDelete, ".json",
                  [&] { EXPECT_EQ(CommitElsewhere(written).ValueOrDie().rows, kSlicedRows); });
  EXPECT_THAT(MessageOf(Commit(wrong).status()), HasSubstr("are missing"));
  EXPECT_TRUE(file_io_.has_run());
  ExpectWhole();
}

TEST_F(SlicedOffload, OfAnUnknownOutcomeTheFilesStayWhoeverGivesThePlanUp) {
  const Lines written = WriteAll(Plan());
  // The first try is on its way, and nothing more is heard of the catalog.
  catalog_->faults = {CommitFault::kHeldEffect};
  for (int i = 0; i < 50; ++i) catalog_->faults.push_back(CommitFault::kLostRequest);
  const auto unknown = Commit(written);
  ASSERT_EQ(KindOf(unknown.status()), ErrorKind::kUnknownOutcome) << unknown.status().ToString();
  GiveUp();
  ASSERT_TRUE(catalog_->held->ArriveAt(*inner_).ok());
  EXPECT_EQ(Ids(), AllIds());
}

TEST_F(SlicedOffload, WhoseCommitItWasIsToldByTheTable) {
  const PlannedSlices planned = Plan();
  const Lines first = WriteAll(planned), second = WriteAll(planned);
  // The request is lost, and another process commits its own attempts meanwhile.
  catalog_->faults = {CommitFault::kLostRequest};
  catalog_->after_commit = [&] { EXPECT_EQ(CommitElsewhere(second).ValueOrDie().rows, kSlicedRows); };
  EXPECT_EQ(Commit(first).ValueOrDie().rows, kSlicedRows);
  ExpectWhole();
  EXPECT_EQ(place_.Load().metadata.snapshots.size(), 1U);
}

TEST_F(SlicedOffload, ALostAnswerIsFoundInTheTable) {
  const Lines written = WriteAll(Plan());
  catalog_->faults = {CommitFault::kLostAnswer};
  EXPECT_EQ(Commit(written).ValueOrDie().rows, kSlicedRows);
  ExpectWhole();
}

// Of a commit that dies amid the files that it sweeps, and of a writer that dies between its file and its look.
TEST_F(SlicedOffload, FilesThatAreLeftAreDeletedByWhoCommitsAgain) {
  const PlannedSlices planned = Plan();
  const Lines first = WriteAll(planned), second = WriteAll(planned);
  file_io_.Inject({FaultPoint::kDelete, FaultAction::kFailBefore, ".parquet", 1, -1, {}});
  const OffloadResult done = Commit(first).ValueOrDie();
  EXPECT_THAT(done.notes.back(), HasSubstr("files of the plan may be left"));
  EXPECT_EQ(DataFiles(), first.size() + second.size() - 1);
  file_io_.Clear();
  const std::string late = planned.plan.data_location + "/" + planned.plan.id + "/00000-late-00000.parquet";
  ASSERT_TRUE(place_.file_io.WriteNew(late, "an attempt").ok());
  const OffloadResult again = Commit(second).ValueOrDie();
  EXPECT_EQ(again.rows, kSlicedRows);
  EXPECT_THAT(again.notes.front(), HasSubstr("committed before"));
  ExpectWhole();
}

// A commit that is given the catalog of another warehouse, which has a table of that name, too.
TEST_F(SlicedOffload, AnotherCatalogsTableEndsNoPlanAndLosesNoFile) {
  OffloadPlace other(CatalogKind::kSql, dir_.path() + "/other");
  std::filesystem::create_directories(other.folder);
  other.source.Insert({kSlicedNoon, 1, "b"});
  other.source.SetNow(kSlicedNoon);
  storage::FaultList none;
  ASSERT_EQ(OffloadProcess(other, none).Run().ValueOrDie().rows, 1);
  const auto others = other.OpenCatalog();
  const auto commit_there = [&](const Lines& lines) {
    return CommitPlan({*others, file_io_, nullptr, place_.clock, *this}, {lines, "", false}).status();
  };
  const Lines written = WriteAll(Plan());
  const Status refused = commit_there(written);
  EXPECT_EQ(KindOf(refused), ErrorKind::kConfig) << refused.ToString();
  EXPECT_THAT(MessageOf(refused), HasSubstr(others->name() + " is another table than the plan was made for"));
  EXPECT_EQ(Commit(written).ValueOrDie().rows, kSlicedRows);
  EXPECT_THAT(MessageOf(commit_there(written)), HasSubstr("is over"));
  ExpectWhole();
}

// --- what may pass ends no plan, and what cannot does ---------------------------------------------------------------

TEST_F(SlicedOffload, AStoreThatDoesNotAnswerEndsNoPlan) {
  const Lines written = WriteAll(Plan());
  for (const FaultPoint point : {FaultPoint::kRead, FaultPoint::kList, FaultPoint::kWriteNew}) {
    for (int skip = 0;; ++skip) {
      file_io_.Clear();
      file_io_.Inject({point, FaultAction::kFailBefore, "calve-plans", skip, 1, {}});
      if (point == FaultPoint::kList) file_io_.Inject({point, FaultAction::kFailBefore, "/data", skip, 1, {}});
      const int hits = file_io_.HitCount();
      const auto done = Commit(written);
      if (file_io_.HitCount() == hits) break;  // past the last of them
      if (done.ok()) continue;                 // after the commit: a note
      EXPECT_EQ(KindOf(done.status()), ErrorKind::kRetry) << done.status().ToString();
    }
  }
  file_io_.Clear();
  EXPECT_EQ(Commit(written).ValueOrDie().rows, kSlicedRows);
  EXPECT_EQ(Ids(), AllIds());
}

TEST_F(SlicedOffload, ACatalogThatRefusesForNowEndsNoPlan) {
  const Lines written = WriteAll(Plan());
  catalog_->faults = {CommitFault::kFailed};
  EXPECT_EQ(KindOf(Commit(written).status()), ErrorKind::kFailed);
  EXPECT_EQ(DataFiles(), written.size());
  EXPECT_EQ(Commit(written).ValueOrDie().rows, kSlicedRows);
  ExpectWhole();
}

TEST_F(SlicedOffload, ATableThatWasMadeAnewIsAnother) {
  const Lines written = WriteAll(Plan());
  // Without a watermark, too, as the one that was planned on.
  catalog::CreateTableRequest same;
  same.schema = place_.Load().metadata.schema();
  ASSERT_TRUE(inner_->DropTable(place_.request.target).ok());
  ASSERT_TRUE(inner_->CreateTable(place_.request.target, same).ok());
  const auto refused = Commit(written);
  EXPECT_EQ(KindOf(refused.status()), ErrorKind::kConfig) << refused.status().ToString();
  EXPECT_THAT(MessageOf(refused.status()), HasSubstr("another table than the plan was made for"));
  EXPECT_EQ(place_.Load().metadata.CurrentSnapshot(), nullptr);
  EXPECT_EQ(DataFiles(), written.size());
  ASSERT_EQ(Commit(WriteAll(TryPlan(/*resume=*/true).ValueOrDie())).ValueOrDie().rows, kSlicedRows);
  ExpectWhole();
}

TEST_F(SlicedOffload, AWatermarkThatMovedWhileItWasCommittedRefusesAndLeavesNothing) {
  const Lines written = WriteAll(Plan());
  catalog_->before_commit = [&] {
    storage::FaultList none;
    place_.request.lease_micros = 0;
    EXPECT_EQ(OffloadProcess(place_, none).Run().ValueOrDie().rows, kSlicedRows);
  };
  const auto refused = Commit(written);
  EXPECT_EQ(KindOf(refused.status()), ErrorKind::kConflict) << refused.status().ToString();
  EXPECT_THAT(MessageOf(refused.status()), HasSubstr("has moved since the plan was made"));
  ExpectWhole();
}

// --- the lease, and plans that are found ----------------------------------------------------------------------------

TEST_F(SlicedOffload, ThePlanHoldsTheLeaseUntilItEnds) {
  const PlannedSlices planned = Plan();
  const PlannedSlices refused = Plan();
  ASSERT_TRUE(refused.held_by.has_value());
  EXPECT_EQ(refused.held_by->holder, planned.plan.id);
  EXPECT_EQ(refused.held_by->pid, 0) << "of no process: who planned has ended";
  EXPECT_TRUE(refused.lines.empty());
  const PlannedSlices resumed = TryPlan(/*resume=*/true).ValueOrDie();
  EXPECT_EQ(resumed.lines, planned.lines);
  ASSERT_TRUE(Commit(WriteAll(planned)).ok());
  Insert(5);
  EXPECT_EQ(Plan().plan.rows, 5) << "the next one is free to go";
}

// A lease that nobody released: the journal did not answer, or the process died before it came to that.
TEST_F(SlicedOffload, ALeaseOfAPlanThatIsOverKeepsNobodyAway) {
  enum class Over { kCommitted, kCommittedAndNotEnded, kGivenUp };
  for (const Over over : {Over::kCommitted, Over::kCommittedAndNotEnded, Over::kGivenUp}) {
    const PlannedSlices planned = Plan();
    const std::string text = table::ReadPlan(place_.file_io, planned.location).ValueOrDie();
    const journal::Lease kept = TryPlan().ValueOrDie().held_by.value();
    storage::FaultList faults, none;
    FaultInjectingJournal away(*journal_, faults);
    faults.Inject({std::nullopt, FaultAction::kFailBefore, "", 0, -1, {}, false});
    if (over != Over::kGivenUp) {
      ASSERT_TRUE(CommitPlan({*catalog_, file_io_, &away, place_.clock, *this}, {WriteAll(planned), "", false}).ok());
      if (over == Over::kCommittedAndNotEnded) {
        ASSERT_TRUE(table::StorePlan(place_.file_io, planned.location, text, "").ok());
      }
      Insert(5);
    } else {
      const OffloadContext context{place_.source, *catalog_, file_io_, &away, place_.clock, stop_, *this};
      ASSERT_EQ(AbandonPlans(context, place_.request).ValueOrDie(), 1);
    }
    journal::Lease other = kept;
    other.holder = "another";
    ASSERT_EQ(journal_->AcquireLease(other).ValueOrDie().holder, planned.plan.id) << "it is there still";
    const auto cycle = OffloadProcess(place_, none).Run().ValueOrDie();
    EXPECT_FALSE(cycle.held_by.has_value());
    EXPECT_EQ(cycle.rows, 5);
    EXPECT_EQ(Ids(), AllIds());
    Insert(5);
  }
}

TEST_F(SlicedOffload, ARefusalFreesTheTable) {
  Lines written = WriteAll(Plan());
  written.pop_back();
  EXPECT_THAT(MessageOf(Commit(written).status()), HasSubstr("are missing"));
  EXPECT_EQ(Plan().plan.rows, kSlicedRows);
}

// As commits leave it that are killed behind the catalog's answer: the snapshot is in, the plan is there. Since then
// the snapshot has expired; of the commit's id nothing is left where another followed.
TEST_F(SlicedOffload, ACommittedPlanWhoseSnapshotHasExpiredLosesNoFile) {
  for (const bool another_followed : {false, true}) {
    Insert(kSlicedRows);
    const PlannedSlices planned = Plan();
    const Lines written = WriteAll(planned);
    const std::string text = table::ReadPlan(place_.file_io, planned.location).ValueOrDie();
    const std::string lines = table::ReadPlanLines(place_.file_io, planned.location).ValueOrDie();
    const int64_t first = *Commit(written).ValueOrDie().snapshot_id;
    if (another_followed) {  // and the watermark is another
      Insert(5);
      storage::FaultList none;
      ASSERT_EQ(OffloadProcess(place_, none).Run().ValueOrDie().rows, 5);
    } else {
      ASSERT_TRUE(CommitFiles(place_, {}, {}).ok());
    }
    ASSERT_TRUE(table::StorePlan(place_.file_io, planned.location, text, lines).ok());
    std::vector<iceberg::TableUpdate> expire = {iceberg::RemoveSnapshots{{first}}};
    if (!another_followed) expire.insert(expire.begin(), iceberg::RemoveSnapshotRef{"calve"});
    const auto expired = inner_->CommitTable(place_.request.target, {}, expire);
    ASSERT_TRUE(expired.ok()) << expired.status().ToString();
    if (another_followed) {
      EXPECT_THAT(Commit(written).ValueOrDie().notes.front(), HasSubstr("committed before"));
      EXPECT_EQ(Ids(), AllIds());
      ASSERT_TRUE(table::StorePlan(place_.file_io, planned.location, text, lines).ok());
    }
    Insert(5);
    const PlannedSlices next = TryPlan(/*resume=*/true).ValueOrDie();
    ASSERT_EQ(next.plan.rows, 5);
    ASSERT_EQ(Commit(WriteAll(next)).ValueOrDie().rows, 5);
    EXPECT_EQ(Ids(), AllIds()) << another_followed;
  }
}

TEST_F(SlicedOffload, RowsThatReplaceOthersAtOtherTimesAreNotCut) {
  place_.source.MergeBy("id");
  const auto refused = TryPlan();
  EXPECT_EQ(KindOf(refused.status()), ErrorKind::kUnsupported) << refused.status().ToString();
  EXPECT_THAT(RemedyOf(refused.status()), HasSubstr("calve offload"));
}

// A plan without its lines could be found, and not be carried out.
TEST_F(SlicedOffload, APlanThatCannotBeWrittenIsNotOpen) {
  for (const char* part : {".slices.jsonl", ".json"}) {
    for (const FaultAction action : {FaultAction::kFailBefore, FaultAction::kFailAfter}) {
      file_io_.Inject({FaultPoint::kWriteNew, action, part, 0, 1, {}});
      EXPECT_FALSE(TryPlan().ok());
      EXPECT_EQ(table::ListPlans(place_.file_io, place_.Load().metadata.location)->size(), 0U) << part;
      file_io_.Clear();
    }
  }
  EXPECT_EQ(Plan().plan.rows, kSlicedRows) << "and nobody holds the table";
}

}  // namespace
}  // namespace calve::offload
