// A window cut into slices for others to write: the first of the three steps of an offload past one machine.
// docs/slices.md.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "calve/offload/offload.h"
#include "calve/offload/offload_plan.h"
#include "calve/offload/window_plan.h"

namespace calve::offload {

struct PlanSlicesRequest {
  int64_t slices = 0;              // about so many; 0: by rows
  int64_t slice_rows = 5'000'000;  // at most about so many rows a slice
  // Where a plan of the target is open and still fits, its lines again.
  bool resume = false;
  int64_t lease_micros = 6 * 3600 * kMicrosPerSecond;  // others keep away for so long, unless it is committed before
};

struct PlannedSlices {
  std::string location;            // of the plan; empty: there is nothing to do
  std::vector<std::string> lines;  // for write-slice, one a slice
  OffloadPlan plan;
  bool resumed = false;
  std::vector<std::string> notes;
  std::optional<journal::Lease> held_by;  // another calve works on the table: nothing was done
};

// Freezes the window, makes or changes the target as it needs, and writes the plan down. The table's lease (its holder
// is the plan) is kept beyond the end of this process. Plans of the target that are open and stale, committed or
// nobody's are ended first, with their files. Errors as OffloadTable's; kUnsupported where the rows of the window
// replace others at other times. `window`, where given, is what PlanOffload said a moment ago: it is not asked again.
Result<PlannedSlices> PlanSlices(const OffloadContext& context, const OffloadRequest& request,
                                 const PlanSlicesRequest& options, std::optional<WindowPlan> window = std::nullopt);

// Gives all open plans of the target up, with their files. How many.
Result<int64_t> AbandonPlans(const OffloadContext& context, const OffloadRequest& request);

}  // namespace calve::offload
