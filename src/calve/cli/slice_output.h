// The lines between calve plan, calve write-slice and calve commit, in and out.
#pragma once

#include <functional>
#include <string>

#include "calve/base/stop.h"
#include "calve/cli/terminal.h"
#include "calve/offload/plan_slices.h"

namespace calve::cli {

// On stdout, where FlushLines says whether it got there.
void PrintLine(const std::string& line);
// kFailed where whoever reads stdout is gone, or its disk is full.
Status FlushLines();

// Calls `take` for each line of stdin that is not blank, until one fails. A stop ends the wait for the next line.
Status ForEachLine(const StopToken& stop, const std::function<Status(const std::string& line)>& take);

// For people.
void TellPlanned(const offload::PlannedSlices& planned, const std::string& target, Terminal& terminal);

}  // namespace calve::cli
