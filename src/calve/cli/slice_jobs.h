// Verification and compaction by slices, for calve plan, write-slice and commit.
#pragma once

#include <CLI/App.hpp>
#include <optional>
#include <string>
#include <vector>

#include "calve/cli/offload_flags.h"
#include "calve/cli/table_choice.h"
#include "calve/cli/terminal.h"
#include "calve/cli/verify_flags.h"

namespace calve::cli {

struct JobFlags {
  std::string job = "offload";
  VerifyRangeFlags verify;
  std::string target_size;
  std::optional<int64_t> min_files;

  bool is_offload() const { return job == "offload"; }
};
void AddJobFlags(CLI::App& command, JobFlags& flags);

struct JobPlan {
  const JobFlags& job;
  const OffloadFlags& table;
  const TableChoice& choice;
  int64_t slices = 0, slice_rows = 0;
  bool resume = false, abandon = false;
  std::string lease;
};
// Plans another job than an offload, and prints its lines.
Status PlanJob(const JobPlan& plan, StopToken& stop, Terminal& terminal);

struct JobSliceContext {
  source::Source* source;  // null where none was named
  storage::FileIO& file_io;
  const StopToken& stop;
  Terminal& terminal;
  int64_t memory_bytes = 0;
};
// The line that the slice of a line becomes.
Result<std::string> WriteJobSlice(const JobSliceContext& context, const std::string& job, const std::string& line);

struct JobLines {
  std::vector<std::string> lines;
  std::string plan;  // location; empty: as the lines say
  bool keep = false;
};
// Of the first line that reads; empty where none does.
std::string JobOfLines(const std::vector<std::string>& lines);
// Of a plan; an offload's, where that cannot be read or no location is given.
std::string JobOfPlan(storage::FileIO& file_io, const std::string& plan);
// Sums up or commits the lines of another job than an offload, and tells of it. The exit code.
Result<int> CommitJob(const TargetSide& side, const std::string& job, const JobLines& given, bool json,
                      Terminal& terminal);

}  // namespace calve::cli
