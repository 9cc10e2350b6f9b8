// A large window by other processes: planned here, its slices written by a program of the operator's, committed here.
#pragma once

#include "calve/offload/offload.h"
#include "calve/offload/window_plan.h"

namespace calve::offload {

// The same window as OffloadTable's, in one commit, whatever request.chunk says; request.distribute is there. Who calls
// holds the table's lease. Nothing is left of a plan that fails: the program is ended, the files of its attempts are
// deleted, those of writers that live on by themselves. kConflict: another calve was faster. Of the result the members
// of the window and of the rows are set; nothing is committed where the window is empty by now.
Result<OffloadResult> DistributeWindow(const OffloadContext& context, const OffloadRequest& request, WindowPlan window,
                                       const SliceProgress& progress);

}  // namespace calve::offload
