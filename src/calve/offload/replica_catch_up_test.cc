#include "calve/offload/replica_catch_up.h"

#include <gtest/gtest.h>

namespace calve::offload {
namespace {

ReplicaView View(int64_t log_max, int64_t pointer, std::vector<std::string> queue = {}) {
  ReplicaView view;
  view.log_max_index = log_max;
  view.log_pointer = pointer;
  view.rows_to_come = std::move(queue);
  return view;
}

TEST(ReplicaCatchUpTest, OneThatHasAll) {
  ReplicaCatchUp replica;
  EXPECT_EQ(replica.Look(View(7, 8)), "");
}

TEST(ReplicaCatchUpTest, TheLogFirstThenTheQueue) {
  ReplicaCatchUp replica;
  EXPECT_NE(replica.Look(View(7, 6)).find("2 entries"), std::string::npos);
  EXPECT_NE(replica.Look(View(9, 7)).find("1 entries"), std::string::npos) << "what came since is no matter";
  EXPECT_NE(replica.Look(View(9, 8, {"queue-0000000003", "queue-0000000005"})).find("2 parts"), std::string::npos);
  EXPECT_NE(replica.Look(View(9, 8, {"queue-0000000005"})), "");
  EXPECT_EQ(replica.Look(View(12, 9, {"queue-0000000006", "queue-0000000007"})), "") << "those came since";
}

TEST(ReplicaCatchUpTest, ABusyOneIsNotWaitedForForEver) {
  ReplicaCatchUp replica;
  std::string lacks = replica.Look(View(100, 101, {"queue-0000000100"}));
  for (int i = 101; i < 105 && !lacks.empty(); ++i) {
    lacks = replica.Look(View(i, i + 1, {"queue-0000000" + std::to_string(i)}));
  }
  EXPECT_EQ(lacks, "");
}

TEST(ReplicaCatchUpTest, WithoutZooKeeperNothingIsKnown) {
  for (auto member : {&ReplicaView::is_readonly, &ReplicaView::is_session_expired}) {
    ReplicaView view = View(7, 8);
    view.*member = true;
    ReplicaCatchUp replica;
    EXPECT_NE(replica.Look(view), "");
    view.*member = false;
    EXPECT_EQ(replica.Look(view), "");
  }
}

TEST(ReplicaCatchUpTest, AnEmptyLogAndOneOfASingleEntryLookAlike) {
  ReplicaCatchUp replica;
  ReplicaView view = View(0, 0);
  EXPECT_NE(replica.Look(view), "");
  view.log_is_empty = false;
  EXPECT_NE(replica.Look(view), "");
  view.log_is_empty = true;
  EXPECT_EQ(replica.Look(view), "");
  ReplicaCatchUp taken;
  EXPECT_EQ(taken.Look(View(0, 1)), "");
}

}  // namespace
}  // namespace calve::offload
