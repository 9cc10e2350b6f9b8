#include "calve/offload/commit_decision.h"

#include <gtest/gtest.h>

#include "calve/offload/testing_tables.h"

namespace calve::offload {
namespace {

class Decision : public ::testing::Test {
 protected:
  void Land(const std::string& commit_id, TimestampMicros to, const std::string& kind = "append") {
    CommitStamp stamp;
    stamp.window_to = to;
    stamp.commit_id = commit_id;
    stamp.kind = kind;
    AddSnapshotOnMain(table_, next_++, StampSummary(stamp));
  }
  NextStep Decide(TimestampMicros from, const std::optional<std::string>& planned = std::nullopt) const {
    return DecideNextStep(table_, table_.table_uuid, "ours", from, planned).ValueOrDie();
  }

  iceberg::TableMetadata table_ =
      MakeMetadata({Field(1, "ts", true, iceberg::Type::Of(iceberg::TypeId::kTimestampTz))});
  int64_t next_ = 1;
};

TEST_F(Decision, AWindowIsTriedAgainUntilTheWatermarkMoves) {
  Land("first", 100);
  EXPECT_EQ(Decide(100), NextStep::kTryAgain);
  Land("late", 100, "late");
  EXPECT_EQ(Decide(100), NextStep::kTryAgain) << "late rows are none of the window's";
  Land("second", 200);
  EXPECT_EQ(Decide(100), NextStep::kPlanAnew);
  Land("ours", 300);
  EXPECT_EQ(Decide(100), NextStep::kDone);
}

// Two calves that found the same late rows: the watermark does not tell them apart.
TEST_F(Decision, LateRowsArePlannedAnewAfterAnyCommitOfCalves) {
  Land("first", 100);
  EXPECT_EQ(Decide(100, "first"), NextStep::kTryAgain);
  AddSnapshotOnMain(table_, next_++, {});  // another engine's
  EXPECT_EQ(Decide(100, "first"), NextStep::kTryAgain);
  Land("theirs", 100, "late");
  EXPECT_EQ(Decide(100, "first"), NextStep::kPlanAnew);
  Land("ours", 100, "late");
  EXPECT_EQ(Decide(100, "first"), NextStep::kDone);
}

}  // namespace
}  // namespace calve::offload
