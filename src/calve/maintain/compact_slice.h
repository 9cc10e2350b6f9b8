// What passes between the planning, the writing and the commit of a compaction by slices: values, and their JSON.
// docs/slices.md. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "calve/maintain/compact_groups.h"
#include "calve/table/scan_task_json.h"
#include "calve/table/sliced_job.h"

namespace calve::maintain {

inline constexpr const char* kCompactJob = "compact";

// What all slices have in common. Frozen when it is planned.
struct CompactHeader {
  std::string id;  // of the plan and of the commit: a UUID
  TimestampMicros made_at = 0;
  catalog::TableIdent target;
  int64_t slices = 0, groups = 0;
  PlannedOn planned_on;
  int64_t small_files = 0, other_specs = 0, not_rewritable = 0;
  std::vector<std::string> notes;
  iceberg::TableMetadata table;  // without its history
};

std::string WriteCompactHeader(const CompactHeader& header);
Result<CompactHeader> ParseCompactHeader(std::string_view json);

// A group of files that become fewer: the plan's number of it, and what is to be read and written.
struct NumberedGroup {
  int64_t number = 0;
  CompactionGroup group;
};

struct CompactSlice {
  table::SliceOrigin origin;
  int64_t of = 0;
  std::vector<NumberedGroup> groups;

  int64_t rows() const;  // that are stored, deleted ones too
  int64_t bytes() const;
};

// One line, without its end. `types` are those of the header's table.
Result<std::string> WriteCompactSlice(const CompactSlice& slice, const iceberg::PartitionTypes& types);
Result<CompactSlice> ParseCompactSlice(std::string_view line, const iceberg::PartitionTypes& types);

// Of the plan's groups, in their order, neighbours together until they hold `bytes_min`.
std::vector<CompactSlice> CutGroups(std::vector<CompactionGroup> groups, int64_t bytes_min,
                                    const table::SliceOrigin& origin);

struct WrittenGroup {
  int64_t number = 0;
  // Absent: it has to stay as it is, and `note` says why.
  std::optional<std::vector<iceberg::DataFile>> added;
  int64_t rows = 0, rows_deleted = 0;
  std::string note;
};

struct CompactedSlice {
  table::SliceOrigin origin;
  std::string attempt;  // a UUID
  std::vector<WrittenGroup> groups;
  double seconds = 0;  // for who reads the line: it is not read back
};

Result<std::string> WriteCompactedSlice(const CompactedSlice& slice, const iceberg::PartitionTypes& types);
Result<CompactedSlice> ParseCompactedSlice(std::string_view line, const iceberg::PartitionTypes& types);

// What was written against what was planned: each slice once, each of its groups once, rows in = rows out + deleted
// ones, as many in the new files. kConfig names the first thing that is wrong. In the order of the groups; those that
// have to stay are in the notes.
struct CheckedGroups {
  std::vector<RewrittenGroup> groups;
  int64_t left = 0;
  std::vector<std::string> notes;
};
Result<CheckedGroups> CheckCompacted(const CompactHeader& header, const std::vector<CompactSlice>& planned,
                                     const std::vector<CompactedSlice>& written);

}  // namespace calve::maintain
