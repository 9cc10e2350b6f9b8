// How busy the ClickHouse server is, and waiting until it is less so.
#pragma once

#include <string>

#include "calve/base/stop.h"
#include "calve/config/config.h"
#include "calve/offload/progress.h"
#include "calve/source/source.h"

namespace calve::cycle {

// Why cycles should wait now: "7 queries run on the server (limits.pause_when.running_queries: 5)"; empty: they should
// not. calve's own queries (their ids begin with "calve-") do not count.
Result<std::string> WhyBusy(source::Source& source, const config::PauseConfig& pause);

// Returns when nothing speaks against it, or when pause.longest_micros have passed; asks every `poll_micros`. That it
// waits, and that the server cannot be asked (rights), is a note, never an error. kStopped where a stop was asked for.
Status WaitWhileBusy(source::Source& source, const config::PauseConfig& pause, const StopToken& stop,
                     offload::ProgressSink& progress, int64_t poll_micros = 2 * kMicrosPerSecond);

}  // namespace calve::cycle
