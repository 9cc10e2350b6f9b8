#include "calve/maintain/compaction.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <random>
#include <set>

namespace calve::maintain {
namespace {

table::ScanTask Task(int day, int64_t bytes, int64_t sequence_number = 1) {
  static int names = 0;
  table::ScanTask task;
  task.file.file_path = fmt::format("f{}", ++names);
  task.file.partition = {int32_t{day}};
  task.file.file_size_in_bytes = bytes;
  task.sequence_number = sequence_number;
  return task;
}

constexpr CompactionRule kRule{0, 1000, 750, 5, 4000};

TEST(PlanCompaction, FiveSmallFilesOrMoreThanTheTarget) {
  std::vector<table::ScanTask> tasks;
  for (int i = 0; i < 4; ++i) tasks.push_back(Task(1, 10));
  EXPECT_TRUE(PlanCompaction(tasks, kRule).groups.empty());
  tasks.push_back(Task(2, 10));
  EXPECT_TRUE(PlanCompaction(tasks, kRule).groups.empty()) << "of another partition";
  tasks.push_back(Task(1, 10));
  EXPECT_EQ(PlanCompaction(tasks, kRule).groups.size(), 1u);
  tasks = {Task(1, 700), Task(1, 301), Task(1, 750), Task(1, 5000)};
  const CompactionPlan plan = PlanCompaction(tasks, kRule);
  ASSERT_EQ(plan.groups.size(), 1u);
  EXPECT_EQ(plan.groups[0].bytes, 1001);
  EXPECT_EQ(plan.groups[0].files, 1) << "and not a tiny one beside it";
  EXPECT_GT(plan.groups[0].file_bytes, 1100);
  EXPECT_EQ(plan.small_files, 2);
  EXPECT_TRUE(PlanCompaction(std::vector{Task(1, 700), Task(1, 300)}, kRule).groups.empty());
}

TEST(PlanCompaction, LeavesAloneWhatItCannotWriteAnew) {
  std::vector<table::ScanTask> tasks;
  for (int i = 0; i < 12; ++i) tasks.push_back(Task(1, 10));
  tasks[0].file.spec_id = 1;
  tasks[1].file.file_format = "orc";
  tasks[2].file.key_metadata = "key";
  tasks[3].file.file_format = "parquet";
  const CompactionPlan plan = PlanCompaction(tasks, kRule);
  ASSERT_EQ(plan.groups.size(), 1u);
  EXPECT_EQ(plan.groups[0].tasks.size(), 9u);
  EXPECT_EQ(plan.other_specs, 1);
  EXPECT_EQ(plan.not_rewritable, 2);
}

TEST(PlanCompaction, RandomFiles) {
  std::mt19937_64 random(1);
  int groups = 0;
  for (int round = 0; round < 500; ++round) {
    std::vector<table::ScanTask> tasks;
    for (uint64_t i = random() % 60; i > 0; --i) {
      tasks.push_back(Task(static_cast<int>(random() % 3), static_cast<int64_t>(1 + random() % 1200),
                           static_cast<int64_t>(random() % 5)));
    }
    CompactionRule rule = kRule;
    rule.files_min = 1 + random() % 8;
    std::set<std::string> taken;
    for (const CompactionGroup& group : PlanCompaction(tasks, rule).groups) {
      ++groups;
      int64_t bytes = 0, last = 0;
      for (const table::ScanTask& task : group.tasks) {
        ASSERT_TRUE(taken.insert(task.file.file_path).second);
        ASSERT_EQ(task.file.partition, group.tasks.front().file.partition);
        ASSERT_LT(task.file.file_size_in_bytes, rule.small_bytes);
        ASSERT_GE(task.sequence_number, last);
        last = task.sequence_number;
        bytes += task.file.file_size_in_bytes;
      }
      ASSERT_EQ(bytes, group.bytes);
      ASSERT_LE(bytes, rule.group_bytes_max);
      ASSERT_GT(group.tasks.size(), 1u);
      ASSERT_TRUE(group.tasks.size() >= rule.files_min || bytes > rule.target_bytes);
      ASSERT_LE(group.file_bytes, rule.target_bytes * 3 / 2);
      ASSERT_GE(group.file_bytes * group.files, bytes);
      ASSERT_LE(bytes, group.files * rule.target_bytes * 12 / 10 + group.files);
      ASSERT_TRUE(group.files == 1 || bytes / group.files > rule.target_bytes / 2) << "none is small without need";
    }
  }
  EXPECT_GT(groups, 300);
}

}  // namespace
}  // namespace calve::maintain
