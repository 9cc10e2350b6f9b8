// Where plans of a table's jobs stand until they are committed or given up: in the warehouse, so that whoever has the
// store can work on them. docs/slices.md, "Places".
//
//   <table location>/calve-plans/<plan id>.json          the plan: it is open while this file is there
//   <table location>/calve-plans/<plan id>.slices.jsonl  its slice lines
//   <table location>/calve-plans/<plan id>.commit-<id>   somebody commits it
//   <data location>/<plan id>/…                          files of all attempts
//
// Nobody locks. A writer of files writes them and then looks for the plan; who ends a plan takes it away and then looks
// for files: whoever comes second cleans. A commit leaves its mark and then looks for the plan; who ends a plan takes
// it away, looks for marks, and then asks the table. Where the table has the commit, its files stay. Where it has not,
// and there is a mark, all stay: that commit may still succeed. Without a mark none can begin any more.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "calve/storage/file_io.h"

namespace calve::table {

// "<table location>/calve-plans"
std::string PlansFolder(const std::string& table_location);
std::string PlanLocation(const std::string& table_location, const std::string& plan_id);
// "<id>" of ".../calve-plans/<id>.json"; empty where it is no plan's location.
std::string PlanIdOf(std::string_view plan_location);
std::string PlanDataLocation(const std::string& data_location, const std::string& plan_id);

// The lines first, then the plan: from then on it is open.
Status StorePlan(storage::FileIO& file_io, const std::string& plan_location, std::string_view plan,
                 std::string_view lines);
// kConflict where it is over: committed or given up.
Result<std::string> ReadPlan(storage::FileIO& file_io, const std::string& plan_location);
Status CheckPlanIsOpen(storage::FileIO& file_io, const std::string& plan_location);
Result<std::string> ReadPlanLines(storage::FileIO& file_io, const std::string& plan_location);
// Locations of the open ones.
Result<std::vector<std::string>> ListPlans(storage::FileIO& file_io, const std::string& table_location);

// The part of a data file's path below its plan's folder; empty where it is not in it.
std::string BelowPlan(std::string_view path, const std::string& plan_id);
// Sizes by that part.
Result<std::map<std::string, int64_t>> ListPlanFiles(storage::FileIO& file_io, const std::string& data_location,
                                                     const std::string& plan_id);

// Leaves the mark of a commit; kConflict where the plan is over by then. The mark's location.
Result<std::string> MarkCommit(storage::FileIO& file_io, const std::string& plan_location);

// Which of the plan's files the table holds (BelowPlan's parts), as it is when it is asked; nullopt: the plan's commit
// is not in.
using FilesInTable = std::optional<std::set<std::string>>;
using HeldFiles = std::function<Result<FilesInTable>()>;

struct EndedPlan {
  int64_t deleted = 0;   // files
  bool is_held = false;  // another commit has its mark: no file was deleted
};
// Ends the plan and deletes the files of its attempts that the table does not hold. `own_mark` may be empty. OK also
// where the plan is over already.
Result<EndedPlan> EndPlan(storage::FileIO& file_io, const std::string& plan_location, const std::string& data_location,
                          const HeldFiles& held, const std::string& own_mark = "");

}  // namespace calve::table
