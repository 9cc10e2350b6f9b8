#include "calve/offload/retired_mark.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "calve/offload/testing_offload_place.h"

namespace calve::offload {
namespace {

using catalog::CommitFault;
using storage::FaultList;

constexpr TimestampMicros kMarkNoon = 1'723'204'800'000'000;

class RetiredMark : public ::testing::TestWithParam<CatalogKind> {
 protected:
  RetiredMark() : place_(GetParam(), dir_.path() + "/w") { std::filesystem::create_directories(place_.folder); }

  void Row() {
    ++last_;
    place_.source.Insert({kMarkNoon + last_, last_, "a"});
    place_.source.SetNow(kMarkNoon + last_);
    FaultList none;
    snapshot_ = *OffloadProcess(place_, none).Run().ValueOrDie().snapshot_id;
  }
  Result<TimestampMicros> Mark(TimestampMicros to, std::deque<CommitFault> faults = {},
                               std::function<void()> before_commit = nullptr) {
    auto inner = place_.OpenCatalog();
    catalog::FaultInjectingCatalog catalog(*inner);
    catalog.faults = std::move(faults);
    catalog.before_commit = std::move(before_commit);
    auto marked = MarkRetired(catalog, place_.request.target, place_.Load().metadata.table_uuid, snapshot_, to,
                              [](int64_t) { return Status::OK(); });
    commits_ = catalog.commits;
    return marked;
  }
  TimestampMicros Stands() { return ReadRetiredTo(place_.Load().metadata).ValueOrDie().value_or(0); }
  void MoveMainTo(int64_t snapshot_id) {
    std::vector<iceberg::TableUpdate> updates = {iceberg::SetSnapshotRef{"main", {snapshot_id, true, {}, {}, {}}}};
    ASSERT_TRUE(place_.OpenCatalog()->CommitTable(place_.request.target, {}, updates).ok());
  }

  TempDir dir_;
  OffloadPlace place_;
  int64_t last_ = 0, snapshot_ = 0;
  int commits_ = 0;
};

TEST_P(RetiredMark, OnlyMovesOn) {
  Row();
  EXPECT_EQ(Mark(kMarkNoon).ValueOrDie(), kMarkNoon);
  EXPECT_EQ(Stands(), kMarkNoon);
  EXPECT_EQ(Mark(kMarkNoon - 5).ValueOrDie(), kMarkNoon);
  EXPECT_EQ(Stands(), kMarkNoon);
  EXPECT_EQ(commits_, 0) << "there was nothing to change";
  EXPECT_EQ(Mark(kMarkNoon + 1).ValueOrDie(), kMarkNoon + 1);
  EXPECT_EQ(Stands(), kMarkNoon + 1);
  EXPECT_EQ(ReadColdRows(place_.file_io, place_.Load().metadata).size(), 1u);
}

TEST_P(RetiredMark, StandsAfterEveryPassingFault) {
  Row();
  TimestampMicros to = kMarkNoon;
  for (CommitFault fault : {CommitFault::kConflict, CommitFault::kLostRequest, CommitFault::kLostAnswer}) {
    EXPECT_EQ(Mark(++to, {fault, fault}).ValueOrDie(), to);
    EXPECT_EQ(Stands(), to) << "parts are dropped when this returns";
  }
  EXPECT_FALSE(Mark(to + 1, {CommitFault::kFailed}).ok());
  EXPECT_EQ(Stands(), to);
}

TEST_P(RetiredMark, ARollbackBeforeItOrUnderItEndsIt) {
  Row();
  const int64_t first = snapshot_;
  Row();
  EXPECT_EQ(KindOf(Mark(kMarkNoon, {}, [&] { MoveMainTo(first); }).status()), ErrorKind::kConflict);
  EXPECT_EQ(Stands(), 0);
  EXPECT_EQ(KindOf(Mark(kMarkNoon).status()), ErrorKind::kConflict);
  EXPECT_EQ(Stands(), 0);
}

TEST_P(RetiredMark, OneThatDoesNotParseIsNotOverwritten) {
  Row();
  std::vector<iceberg::TableUpdate> updates = {iceberg::SetProperties{{{kRetiredProperty, "soon"}}}};
  ASSERT_TRUE(place_.OpenCatalog()->CommitTable(place_.request.target, {}, updates).ok());
  EXPECT_EQ(KindOf(Mark(kMarkNoon).status()), ErrorKind::kCorrupt);
}

INSTANTIATE_TEST_SUITE_P(Catalogs, RetiredMark,
                         ::testing::Values(CatalogKind::kHadoop, CatalogKind::kSql, CatalogKind::kRest),
                         [](const auto& kind) { return NameOf(kind.param); });

}  // namespace
}  // namespace calve::offload
