// Exit codes of the program. The help texts list them.
#pragma once

#include "calve/base/error.h"
#include "calve/base/stop.h"

namespace calve::cli {

enum ExitCode {
  kExitDone = 0,
  kExitFailed = 1,
  kExitUsage = 2,       // bad usage or configuration
  kExitDifference = 3,  // verification found a difference
  kExitSomeFailed = 4,  // some tables failed, others succeeded
};

// 128 + the signal where a stop was asked for; else by the error's kind.
int ExitCodeOf(const Status& status, const StopToken& stop);

inline constexpr const char* kExitCodesHelp =
    "Exit codes: 0 done (also when there was nothing to do), 1 failed, 2 bad usage or configuration, "
    "130/143 stopped by a signal.";

}  // namespace calve::cli
