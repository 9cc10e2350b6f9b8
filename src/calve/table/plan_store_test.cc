#include "calve/table/plan_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>

#include "calve/base/testing_temp_dir.h"
#include "calve/storage/local_file_io.h"

namespace calve::table {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

class PlanStoreTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(StorePlan(file_io_, plan_, "{}", "line\n").ok()); }
  void Attempt(const std::string& name) { ASSERT_TRUE(file_io_.WriteNew(data_ + "/" + id_ + "/" + name, "x").ok()); }
  static HeldFiles Held(std::set<std::string> files) {
    return [files]() -> Result<FilesInTable> { return files; };
  }
  static HeldFiles NotIn() {
    return []() -> Result<FilesInTable> { return std::nullopt; };
  }
  std::vector<std::string> Left() {
    std::vector<std::string> names;
    for (const auto& file : *file_io_.List(table_)) names.push_back(file.location.substr(table_.size() + 1));
    return names;
  }

  TempDir dir_;
  storage::LocalFileIO file_io_;
  const std::string table_ = "file://" + dir_.path() + "/t", id_ = "1-2";
  const std::string data_ = table_ + "/data";
  const std::string plan_ = PlanLocation(table_, id_);
};

TEST_F(PlanStoreTest, APlanIsFoundByItsName) {
  EXPECT_EQ(PlanIdOf(plan_), id_);
  EXPECT_EQ(PlanIdOf(table_ + "/metadata/1-2.json"), "");
  EXPECT_EQ(PlanIdOf(table_ + "/calve-plans/1-2.slices.jsonl"), "");
  EXPECT_THAT(*ListPlans(file_io_, table_), ElementsAre(plan_));
  EXPECT_EQ(*ReadPlan(file_io_, plan_), "{}");
  EXPECT_EQ(*ReadPlanLines(file_io_, plan_), "line\n");
  EXPECT_EQ(KindOf(ReadPlan(file_io_, "/etc/passwd").status()), ErrorKind::kCorrupt);
  EXPECT_EQ(BelowPlan(data_ + "/1-2/day=1/0-x.parquet", id_), "day=1/0-x.parquet");
  EXPECT_EQ(BelowPlan(data_ + "/1-3/0-x.parquet", id_), "");
}

TEST_F(PlanStoreTest, ACommittedPlanLeavesWhatItsSnapshotHolds) {
  Attempt("day=1/0-a.parquet"), Attempt("day=1/0-b.parquet"), Attempt("1-a.parquet");
  ASSERT_TRUE(MarkCommit(file_io_, plan_).ok());  // of a commit that died
  const std::string mark = MarkCommit(file_io_, plan_).ValueOrDie();
  const EndedPlan ended =
      EndPlan(file_io_, plan_, data_, Held({"day=1/0-a.parquet", "1-a.parquet"}), mark).ValueOrDie();
  EXPECT_EQ(ended.deleted, 1);
  EXPECT_FALSE(ended.is_held);
  EXPECT_THAT(Left(), UnorderedElementsAre("data/1-2/day=1/0-a.parquet", "data/1-2/1-a.parquet"));
  EXPECT_EQ(KindOf(CheckPlanIsOpen(file_io_, plan_)), ErrorKind::kConflict);
  EXPECT_TRUE(EndPlan(file_io_, plan_, data_, Held({"day=1/0-a.parquet", "1-a.parquet"})).ok()) << "again";
  EXPECT_EQ(Left().size(), 2u);
}

TEST_F(PlanStoreTest, APlanThatIsGivenUpLeavesNothing) {
  Attempt("0-a.parquet");
  const std::string mark = MarkCommit(file_io_, plan_).ValueOrDie();
  EXPECT_EQ(EndPlan(file_io_, plan_, data_, NotIn(), mark)->deleted, 1);
  EXPECT_THAT(Left(), IsEmpty());
}

// The commit that has its mark may still succeed, with any of the files.
TEST_F(PlanStoreTest, NoFileIsDeletedUnderAnothersCommit) {
  Attempt("0-a.parquet");
  const std::string others = MarkCommit(file_io_, plan_).ValueOrDie();
  const std::string own = MarkCommit(file_io_, plan_).ValueOrDie();
  const EndedPlan ended = EndPlan(file_io_, plan_, data_, NotIn(), own).ValueOrDie();
  EXPECT_TRUE(ended.is_held);
  EXPECT_TRUE(file_io_.Exists(data_ + "/1-2/0-a.parquet").ValueOrDie());
  EXPECT_TRUE(file_io_.Exists(others).ValueOrDie());
  EXPECT_FALSE(file_io_.Exists(own).ValueOrDie());
}

// Who gives a plan up looked into the table before, and another's commit came and ended between the two: its mark is
// gone, and the table has its files.
TEST_F(PlanStoreTest, TheTableIsAskedWhenNoCommitCanBeginAnyMore) {
  Attempt("0-a.parquet"), Attempt("0-b.parquet");
  const auto held = [&]() -> Result<FilesInTable> {
    EXPECT_EQ(KindOf(CheckPlanIsOpen(file_io_, plan_)), ErrorKind::kConflict) << "asked after the plan was taken away";
    EXPECT_EQ(KindOf(MarkCommit(file_io_, plan_).status()), ErrorKind::kConflict);
    return std::set<std::string>{"0-a.parquet"};
  };
  EXPECT_EQ(EndPlan(file_io_, plan_, data_, held)->deleted, 1);
  EXPECT_THAT(Left(), ElementsAre("data/1-2/0-a.parquet"));
}

// A commit that was at work when the table was asked, and has ended when the marks could be looked for.
TEST_F(PlanStoreTest, MarksAreLookedForBeforeTheTableIsAsked) {
  Attempt("0-a.parquet");
  const std::string others = MarkCommit(file_io_, plan_).ValueOrDie();
  const auto held = [&]() -> Result<FilesInTable> {
    EXPECT_TRUE(file_io_.Delete(others).ok());
    return std::nullopt;
  };
  EXPECT_TRUE(EndPlan(file_io_, plan_, data_, held)->is_held);
  EXPECT_THAT(Left(), ElementsAre("data/1-2/0-a.parquet"));
}

TEST_F(PlanStoreTest, WhereTheTableDoesNotAnswerNoFileIsDeleted) {
  Attempt("0-a.parquet");
  const auto held = []() -> Result<FilesInTable> { return MakeError(ErrorKind::kRetry, "away"); };
  EXPECT_EQ(KindOf(EndPlan(file_io_, plan_, data_, held).status()), ErrorKind::kRetry);
  EXPECT_THAT(Left(), ElementsAre("data/1-2/0-a.parquet"));
}

TEST_F(PlanStoreTest, WhoMarksTooLateIsTold) {
  ASSERT_TRUE(EndPlan(file_io_, plan_, data_, NotIn()).ok());
  EXPECT_EQ(KindOf(MarkCommit(file_io_, plan_).status()), ErrorKind::kConflict);
  EXPECT_THAT(Left(), IsEmpty());
}

}  // namespace
}  // namespace calve::table
