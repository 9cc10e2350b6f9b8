// What to do after a commit was tried: a pure function of what is known. docs/architecture.md, "One window's way".
#pragma once

#include "calve/iceberg/table_metadata.h"
#include "calve/offload/watermark.h"

namespace calve::offload {

enum class NextStep {
  kDone,      // our snapshot is on main
  kTryAgain,  // the same commit (same id, same files) on the reloaded table: a compare-and-set, so a late effect of the
              // earlier try and this one cannot both land
  kPlanAnew,  // somebody else moved the watermark: the window is not ours any more, its files may go
  kRolledBack,  // our snapshot landed, and main was moved away from it: it is no longer ours to judge
};

// `planned_commit`, where given, is the newest commit of calve's that was planned on: any later one, also one that left
// the watermark alone, may hold the same rows, and means kPlanAnew.
//
// `reloaded` is the table as it is after the failed or unknown try; `planned_from` the watermark that the window was
// planned from. Before this is asked the outcome may be kConflict or kUnknownOutcome: the answer is the same, what
// differs is whether files may be deleted (never after an unknown outcome that was not resolved to kDone).
Result<NextStep> DecideNextStep(const iceberg::TableMetadata& reloaded, const std::string& table_uuid,
                                const std::string& commit_id, const std::optional<TimestampMicros>& planned_from,
                                const std::optional<std::string>& planned_commit = std::nullopt);

}  // namespace calve::offload
