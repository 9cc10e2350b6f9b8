#include "calve/offload/commit_window.h"

#include <gtest/gtest.h>

#include "calve/base/testing_temp_dir.h"
#include "calve/catalog/testing_fault_catalog.h"
#include "calve/offload/testing_tables.h"
#include "calve/table/snapshot_producer.h"

namespace calve::offload {
namespace {

using catalog::CommitFault;

constexpr TimestampMicros kCommitNoon = 1'723'204'800'000'000;

// A real hadoop catalog in a temporary directory, and a window's worth of files (descriptors only: commits never open
// them).
class CommitWindowTest : public testing::Test {
 protected:
  void SetUp() override {
    file_io_ = *storage::OpenFileIO("file://" + dir_.path());
    hadoop_ = *catalog::OpenCatalog({"hadoop", "file://" + dir_.path(), ""}, *file_io_, clock_);
    scripted_.emplace(*hadoop_);
    catalog::CreateTableRequest create;
    create.schema.fields = {Field(1, "ts", true, iceberg::Type::Of(iceberg::TypeId::kTimestampTz))};
    create.properties = {{"commit.retry.min-wait-ms", "0"}, {"commit.retry.max-wait-ms", "0"}};
    table_ = *hadoop_->CreateTable(ident_, create);
  }

  WindowCommit Window(const std::string& id, TimestampMicros to) {
    WindowCommit commit{ident_, table_, std::nullopt, {}, {}};
    iceberg::DataFile file;
    file.file_path = table_.metadata.location + "/data/" + id + ".parquet";
    file.record_count = 10;
    file.file_size_in_bytes = 100;
    commit.files = {file};
    commit.stamp = {"server/k2.trades/table", std::nullopt, to, std::nullopt, 10, id, "append"};
    return commit;
  }

  Result<CommittedWindow> Commit(const WindowCommit& commit) {
    return CommitWindow(*scripted_, *file_io_, clock_, commit, [](int64_t) { return Status::OK(); });
  }

  // What another engine's append does; calve's when the id is not empty.
  void OtherAppend(const std::string& calve_id) {
    auto loaded = *hadoop_->LoadTable(ident_);
    table::SnapshotRequest request;
    request.commit_id = calve_id.empty() ? "engine" : calve_id;
    if (!calve_id.empty()) request.summary = StampSummary(Window(calve_id, kCommitNoon + 1).stamp);
    table::SnapshotProducer append(*file_io_, request);
    auto prepared = *append.Prepare(loaded.metadata, clock_.Now() / 1000);
    ASSERT_TRUE(hadoop_->CommitTable(ident_, prepared.requirements, prepared.updates).ok());
  }

  // Another engine rewrites the file of a window that was committed.
  void OtherRewrite(const iceberg::DataFile& file) {
    auto loaded = *hadoop_->LoadTable(ident_);
    iceberg::DataFile compacted = file;
    compacted.file_path += ".compacted";
    table::SnapshotProducer producer(*file_io_,
                                     {{compacted}, {file}, {}, "compaction", loaded.metadata.current_snapshot_id});
    auto prepared = *producer.Prepare(loaded.metadata, clock_.Now() / 1000);
    ASSERT_TRUE(hadoop_->CommitTable(ident_, prepared.requirements, prepared.updates).ok());
  }

  // A window that replaces the first one's file.
  WindowCommit Replacing(const WindowCommit& first, const std::string& id) {
    table_ = *hadoop_->LoadTable(ident_);
    WindowCommit commit = Window(id, first.stamp.window_to + 1);
    commit.planned_from = first.stamp.window_to;
    commit.removed = first.files;
    return commit;
  }

  std::string TotalRecords() {
    auto loaded = *hadoop_->LoadTable(ident_);
    const iceberg::Snapshot* tip = loaded.metadata.CurrentSnapshot();
    return std::string(tip ? tip->summary.at("total-records") : "none");
  }
  size_t MetadataFiles() { return file_io_->List(table_.metadata.location + "/metadata")->size(); }

  TempDir dir_;
  SystemClock clock_;
  std::unique_ptr<storage::FileIO> file_io_;
  std::unique_ptr<catalog::Catalog> hadoop_;
  std::optional<catalog::FaultInjectingCatalog> scripted_;
  catalog::TableIdent ident_{{"cold"}, "trades"};
  catalog::LoadedTable table_;
};

TEST_F(CommitWindowTest, PutsRowsWatermarkPropertyAndTagIntoOneSnapshot) {
  auto done = *Commit(Window("id-1", kCommitNoon));
  EXPECT_EQ(done.outcome, CommitOutcome::kCommitted);
  auto metadata = hadoop_->LoadTable(ident_)->metadata;
  EXPECT_EQ(metadata.CurrentSnapshot()->snapshot_id, done.snapshot_id);
  EXPECT_EQ((*ReadWatermark(metadata))->stamp.window_to, kCommitNoon);
  EXPECT_EQ(metadata.refs.at(kWatermarkTag).snapshot_id, done.snapshot_id);
  EXPECT_FALSE(metadata.refs.at(kWatermarkTag).is_branch);
  EXPECT_TRUE(metadata.properties.contains(kWatermarkProperty));
  EXPECT_EQ(TotalRecords(), "10");
}

TEST_F(CommitWindowTest, EveryFaultEndsWithTheRowsOnce) {
  using enum CommitFault;
  const std::vector<std::deque<CommitFault>> scripts = {{kConflict},
                                                        {kLostRequest},
                                                        {kLostAnswer},
                                                        {kLateEffect},
                                                        {kConflict, kLostAnswer},
                                                        {kLostRequest, kLostAnswer},
                                                        {kLateEffect, kConflict},
                                                        {kLostRequest, kConflict, kLateEffect}};
  int64_t rows = 0;
  TimestampMicros to = kCommitNoon;
  std::optional<TimestampMicros> from;
  for (size_t i = 0; i < scripts.size(); ++i) {
    table_ = *hadoop_->LoadTable(ident_);
    WindowCommit window = Window("id-" + std::to_string(i), ++to);
    window.planned_from = from;
    scripted_->faults = scripts[i];
    auto done = Commit(window);
    ASSERT_TRUE(done.ok()) << i << ": " << done.status().ToString();
    EXPECT_EQ(done->outcome, CommitOutcome::kCommitted) << i;
    rows += 10;
    from = to;
    EXPECT_EQ(TotalRecords(), std::to_string(rows)) << i;
    EXPECT_EQ((*ReadWatermark(hadoop_->LoadTable(ident_)->metadata))->stamp.window_to, to) << i;
  }
}

TEST_F(CommitWindowTest, RetriesOnAnotherEnginesCommitThatLeavesTheWatermarkAlone) {
  scripted_->before_commit = [&] { OtherAppend(""); };
  EXPECT_EQ(Commit(Window("id-1", kCommitNoon))->outcome, CommitOutcome::kCommitted);
  EXPECT_EQ(scripted_->commits, 2);
  EXPECT_EQ(hadoop_->LoadTable(ident_)->metadata.snapshots.size(), 2u);
}

TEST_F(CommitWindowTest, LosesToACalveThatMovedTheWatermarkAndLeavesNothingBehind) {
  scripted_->before_commit = [&] { OtherAppend("faster"); };
  auto done = *Commit(Window("id-1", kCommitNoon));
  EXPECT_EQ(done.outcome, CommitOutcome::kLostRace);
  EXPECT_FALSE(done.outcome_was_unknown);
  EXPECT_EQ(TotalRecords(), "0");
  for (const auto& file : *file_io_->List(table_.metadata.location + "/metadata")) {
    EXPECT_EQ(file.location.find("id-1"), std::string::npos) << file.location;
  }
}

TEST_F(CommitWindowTest, LosingAfterAnUnknownOutcomeDeletesNothing) {
  scripted_->faults = {CommitFault::kLostRequest};
  int tries = 0;
  auto sleep = [&](int64_t) {
    if (++tries == 1) OtherAppend("faster");
    return Status::OK();
  };
  auto done = *CommitWindow(*scripted_, *file_io_, clock_, Window("id-1", kCommitNoon), sleep);
  EXPECT_EQ(done.outcome, CommitOutcome::kLostRace);
  EXPECT_TRUE(done.outcome_was_unknown);
  bool kept = false;
  for (const auto& file : *file_io_->List(table_.metadata.location + "/metadata")) {
    kept |= file.location.find("id-1") != std::string::npos;
  }
  EXPECT_TRUE(kept);
}

TEST_F(CommitWindowTest, ReplacesFilesAndMovesTheWatermarkInOneSnapshot) {
  const WindowCommit first = Window("id-1", kCommitNoon);
  ASSERT_TRUE(Commit(first).ok());
  const WindowCommit second = Replacing(first, "id-2");
  scripted_->before_commit = [&] { OtherAppend(""); };  // which touches nothing of it
  scripted_->faults = {CommitFault::kNone, CommitFault::kLostAnswer};
  auto done = *Commit(second);
  EXPECT_EQ(done.outcome, CommitOutcome::kCommitted);
  const auto metadata = hadoop_->LoadTable(ident_)->metadata;
  EXPECT_EQ(metadata.CurrentSnapshot()->summary.at("operation"), "overwrite");
  EXPECT_EQ((*ReadWatermark(metadata))->stamp.window_to, kCommitNoon + 1);
  EXPECT_EQ(TotalRecords(), "10");
}

TEST_F(CommitWindowTest, FilesThatAnotherEngineRewroteAreAConflictAtOnce) {
  const WindowCommit first = Window("id-1", kCommitNoon);
  ASSERT_TRUE(Commit(first).ok());
  const WindowCommit second = Replacing(first, "id-2");
  scripted_->commits = 0;
  scripted_->before_commit = [&] { OtherRewrite(first.files[0]); };
  const Status status = Commit(second).status();
  EXPECT_EQ(KindOf(status), ErrorKind::kConflict) << status.ToString();
  EXPECT_EQ(scripted_->commits, 1);  // the next try is not made
  EXPECT_EQ((*ReadWatermark(hadoop_->LoadTable(ident_)->metadata))->stamp.window_to, kCommitNoon);
  EXPECT_EQ(TotalRecords(), "10");
  for (const auto& file : *file_io_->List(table_.metadata.location + "/metadata")) {
    EXPECT_EQ(file.location.find("id-2"), std::string::npos) << file.location;
  }
}

TEST_F(CommitWindowTest, AnOvertakenReplacementWhoseOutcomeIsUnknownStaysUnknown) {
  const WindowCommit first = Window("id-1", kCommitNoon);
  ASSERT_TRUE(Commit(first).ok());
  const WindowCommit second = Replacing(first, "id-2");
  scripted_->faults = {CommitFault::kLostRequest};
  const auto sleep = [&](int64_t) {
    OtherRewrite(first.files[0]);
    return Status::OK();
  };
  const Status status = CommitWindow(*scripted_, *file_io_, clock_, second, sleep).status();
  EXPECT_EQ(KindOf(status), ErrorKind::kUnknownOutcome) << status.ToString();
}

TEST_F(CommitWindowTest, AProvenRefusalIsAnErrorAndLeavesTheTableAndNoFilesOfIt) {
  size_t before = MetadataFiles();
  scripted_->faults = {CommitFault::kFailed};
  Status status = Commit(Window("id-1", kCommitNoon)).status();
  EXPECT_EQ(KindOf(status), ErrorKind::kFailed);
  EXPECT_EQ(MetadataFiles(), before);
  EXPECT_EQ(TotalRecords(), "none");
}

// The answer is lost, and before anybody looks main is moved back: the snapshot is still there, and so must its files
// be.
TEST_F(CommitWindowTest, ARollbackOverALostAnswerIsToldAndLeavesTheSnapshotItsFiles) {
  ASSERT_TRUE(Commit(Window("id-0", kCommitNoon)).ok());
  table_ = *hadoop_->LoadTable(ident_);
  int64_t before = *table_.metadata.current_snapshot_id;
  WindowCommit window = Window("id-1", kCommitNoon + 1);
  window.planned_from = kCommitNoon;
  scripted_->faults = {CommitFault::kLostAnswer};
  scripted_->after_commit = [&] {
    std::vector<iceberg::TableUpdate> updates = {iceberg::SetSnapshotRef{"main", {before, true, {}, {}, {}}}};
    ASSERT_TRUE(hadoop_->CommitTable(ident_, {}, updates).ok());
  };
  auto done = Commit(window);
  ASSERT_TRUE(done.ok()) << done.status().ToString();
  EXPECT_EQ(done->outcome, CommitOutcome::kRolledBack);
  auto metadata = hadoop_->LoadTable(ident_)->metadata;
  ASSERT_EQ(metadata.snapshots.size(), 2u);
  EXPECT_TRUE(*file_io_->Exists(metadata.snapshots[1].manifest_list));
}

// What cannot be read tells nothing: after an unknown outcome the answer stays unknown, and everything is kept.
TEST_F(CommitWindowTest, AnUnreadableWatermarkAfterALostRequestIsNoProof) {
  scripted_->faults = {CommitFault::kLostRequest};
  scripted_->after_commit = [&] {
    auto loaded = *hadoop_->LoadTable(ident_);
    table::SnapshotProducer append(*file_io_, {{}, {}, {{"calve.window-to", "noon"}}, "engine"});
    auto prepared = *append.Prepare(loaded.metadata, clock_.Now() / 1000);
    ASSERT_TRUE(hadoop_->CommitTable(ident_, prepared.requirements, prepared.updates).ok());
  };
  size_t before = MetadataFiles();
  EXPECT_EQ(KindOf(Commit(Window("id-1", kCommitNoon)).status()), ErrorKind::kUnknownOutcome);
  // A list and a version of the engine's, a manifest and a list of ours.
  EXPECT_EQ(MetadataFiles(), before + 4);
}

// A lost answer, then another writer's commits on top: ours is found among the ancestors.
TEST_F(CommitWindowTest, ALostAnswerUnderAnotherWritersCommitIsFound) {
  scripted_->faults = {CommitFault::kLostAnswer};
  scripted_->after_commit = [&] { OtherAppend(""); };
  auto done = *Commit(Window("id-1", kCommitNoon));
  EXPECT_EQ(done.outcome, CommitOutcome::kCommitted);
  EXPECT_TRUE(done.outcome_was_unknown);
  EXPECT_EQ(scripted_->commits, 1);
  EXPECT_EQ(TotalRecords(), "10");
}

// A commit that arrives after the cycle gave it up, or after the next cycle took its place, changes nothing.
TEST_F(CommitWindowTest, AnEffectThatArrivesAfterTheNextCycleIsRefused) {
  table_.metadata.properties["commit.retry.num-retries"] = "0";
  scripted_->faults = {CommitFault::kHeldEffect};
  EXPECT_EQ(KindOf(Commit(Window("id-1", kCommitNoon)).status()), ErrorKind::kUnknownOutcome);
  EXPECT_EQ(Commit(Window("id-2", kCommitNoon))->outcome, CommitOutcome::kCommitted);
  EXPECT_EQ(KindOf(scripted_->held->ArriveAt(*hadoop_)), ErrorKind::kConflict);
  EXPECT_EQ(TotalRecords(), "10");
}

TEST_F(CommitWindowTest, AnEffectThatArrivesDuringTheNextCycleWins) {
  table_.metadata.properties["commit.retry.num-retries"] = "0";
  scripted_->faults = {CommitFault::kHeldEffect};
  EXPECT_EQ(KindOf(Commit(Window("id-1", kCommitNoon)).status()), ErrorKind::kUnknownOutcome);
  table_.metadata.properties.clear();
  scripted_->before_commit = [&] { ASSERT_TRUE(scripted_->held->ArriveAt(*hadoop_).ok()); };
  EXPECT_EQ(Commit(Window("id-2", kCommitNoon))->outcome, CommitOutcome::kLostRace);
  EXPECT_EQ(TotalRecords(), "10");
}

TEST_F(CommitWindowTest, SaysItDoesNotKnowWhenItCannotKnow) {
  using enum CommitFault;
  scripted_->faults = {kLostRequest, kLostRequest, kLostRequest, kLostRequest, kLostRequest, kLostRequest};
  Status status = Commit(Window("id-1", kCommitNoon)).status();
  EXPECT_EQ(KindOf(status), ErrorKind::kUnknownOutcome);
  EXPECT_EQ(scripted_->commits, 5);  // commit.retry.num-retries 4
}

}  // namespace
}  // namespace calve::offload
