// What an offload tells the log of its windows. Pure.
#pragma once

#include <string>

#include "calve/base/event.h"
#include "calve/offload/window_offload.h"

namespace calve::offload {

// Fixed and counted, as `result` has it; `window` is of the chunk that is next.
Event PlannedEvent(const OffloadRequest& request, const OffloadResult& result, const Window& window,
                   const std::string& run_id);
// result.window is in. `before` tells whether it is one of several chunks.
Event CommittedEvent(const OffloadRequest& request, const OffloadResult& result, const ChunksDone& before,
                     double seconds);
// result.late has a snapshot.
Event LateEvent(const OffloadRequest& request, const OffloadResult& result, const std::string& run_id, double seconds);

}  // namespace calve::offload
