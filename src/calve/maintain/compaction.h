// Which data files are written anew as fewer: bin-packing by partition, as Iceberg's rewrite_data_files chooses them.
// Pure: the files of a snapshot, the rule.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "calve/table/scan.h"

namespace calve::maintain {

// Two small files of a partition stay at most. Iceberg's procedure waits for five; a file that has grown to three
// quarters of the target is not small any more, so what is written again and again is less than that by partition.
inline constexpr size_t kCompactFilesMin = 3;

struct CompactionRule {
  int spec_id = 0;           // the table's default spec: files of others stay
  int64_t target_bytes = 0;  // write.target-file-size-bytes
  int64_t small_bytes = 0;   // files below it are small: three quarters of the target
  size_t files_min = kCompactFilesMin;
  int64_t group_bytes_max = 0;  // of a group's files together; what a death costs at most
};

// Small files of one partition, in the order in which they came: neighbours in time stay neighbours.
struct CompactionGroup {
  std::vector<table::ScanTask> tasks;
  int64_t bytes = 0;
  // As many as the target asks for, equally large, rather than a small one at the end.
  int64_t files = 1;
  int64_t file_bytes = 0;  // from which on the next one is begun
};

struct CompactionPlan {
  std::vector<CompactionGroup> groups;
  int64_t small_files = 0;     // that were found, in a group or not
  int64_t other_specs = 0;     // small files of another partition spec: left alone
  int64_t not_rewritable = 0;  // small files that are no Parquet, or encrypted: left alone
};

// A group is worth it where it has files_min files, or more than one and together more than the target.
CompactionPlan PlanCompaction(std::span<const table::ScanTask> tasks, const CompactionRule& rule);

}  // namespace calve::maintain
