#include "calve/maintain/compaction.h"

#include <algorithm>
#include <map>
#include <utility>

#include "calve/datafile/data_file_reader.h"

namespace calve::maintain {
namespace {

struct PartitionLess {
  bool operator()(const std::vector<iceberg::Literal>& a, const std::vector<iceberg::Literal>& b) const {
    return std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end(), [](const auto& x, const auto& y) {
      return iceberg::CompareLiterals(x, y) < 0;
    });
  }
};

bool IsWorthIt(const CompactionGroup& group, const CompactionRule& rule) {
  return group.tasks.size() >= std::max<size_t>(rule.files_min, 2) ||
         (group.tasks.size() > 1 && group.bytes > rule.target_bytes);
}

void DivideIntoFiles(int64_t target_bytes, CompactionGroup& group) {
  const int64_t whole = std::max<int64_t>(group.bytes / target_bytes, 1);
  // Some tenths more in each file rather than one more file.
  group.files = group.bytes - whole * target_bytes > whole * target_bytes / 5 ? whole + 1 : whole;
  // What an open file will be is an estimate, which is too high by what is not compressed yet: one file stays one.
  group.file_bytes = group.files == 1 ? target_bytes + target_bytes / 2 : group.bytes / group.files / 10 * 11 + 1;
}

}  // namespace

CompactionPlan PlanCompaction(std::span<const table::ScanTask> tasks, const CompactionRule& rule) {
  CompactionPlan plan;
  std::map<std::vector<iceberg::Literal>, CompactionGroup, PartitionLess> open;
  const auto close = [&](CompactionGroup& group) {
    DivideIntoFiles(rule.target_bytes, group);
    if (IsWorthIt(group, rule)) plan.groups.push_back(std::move(group));
    group = {};
  };
  std::vector<const table::ScanTask*> small;
  for (const table::ScanTask& task : tasks) {
    if (task.file.file_size_in_bytes >= rule.small_bytes) continue;
    ++plan.small_files;
    if (task.file.spec_id != rule.spec_id) {
      ++plan.other_specs;
    } else if (!datafile::CheckReadable(task.file).ok()) {
      ++plan.not_rewritable;
    } else {
      small.push_back(&task);
    }
  }
  std::stable_sort(small.begin(), small.end(),
                   [](const auto* a, const auto* b) { return a->sequence_number < b->sequence_number; });
  for (const table::ScanTask* task : small) {
    CompactionGroup& group = open[task->file.partition];
    if (!group.tasks.empty() && group.bytes + task->file.file_size_in_bytes > rule.group_bytes_max) close(group);
    group.bytes += task->file.file_size_in_bytes;
    group.tasks.push_back(*task);
  }
  for (auto& [partition, group] : open) {
    if (!group.tasks.empty()) close(group);
  }
  return plan;
}

}  // namespace calve::maintain
