// The slices of a plan into the target table: the last of the three steps of an offload past one machine.
// docs/slices.md.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "calve/offload/offload.h"
#include "calve/offload/offload_plan.h"
#include "calve/table/plan_store.h"

namespace calve::offload {

// All borrowed.
struct PlanCommitContext {
  catalog::Catalog& catalog;
  storage::FileIO& file_io;
  journal::Journal* journal;  // null: none
  const Clock& clock;
  ProgressSink& progress;
};

struct PlanCommitRequest {
  std::vector<std::string> lines;  // as write-slice printed them, in any order
  std::string plan;                // its location; empty: that of the first line
  // Where only the lines are wrong the plan stays open, and its files: the right ones may still come.
  bool keep = false;
};

// Commits what the lines hold, in one snapshot, once it is certain that every slice is there once, that rows and
// fingerprints are the plan's, and that every file is there with its size. Done before, by whomever: OK with that
// snapshot, and the plan's files that it does not hold are deleted. A refusal (kConflict: the watermark has
// moved, or the plan is over; kFailed, kCorrupt: the lines) ends the plan and deletes its files. After anything else
// (an unknown outcome, a catalog that does not answer or has another table of that name, a missing right) they stay,
// and the same call goes on.
Result<OffloadResult> CommitPlan(const PlanCommitContext& context, const PlanCommitRequest& request);

// OK where the target is still the one that was planned on, and its watermark where it was; else kConflict.
Status CheckPlanFits(const OffloadPlan& plan, const iceberg::TableMetadata& table);

// For EndPlan: what the target holds of the plan by then, whoever committed it. All borrowed.
table::HeldFiles HeldByTarget(catalog::Catalog& catalog, storage::FileIO& file_io, const OffloadPlan& plan);

// Where the plan's commit is in `table`: ends the plan, with all files that are not of that snapshot. nullopt: it is
// not in.
Result<std::optional<table::EndedPlan>> EndIfCommitted(storage::FileIO& file_io, const iceberg::TableMetadata& table,
                                                       const OffloadPlan& plan, const std::string& location);

}  // namespace calve::offload
