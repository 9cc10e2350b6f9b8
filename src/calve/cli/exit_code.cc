#include "calve/cli/exit_code.h"

namespace calve::cli {

int ExitCodeOf(const Status& status, const StopToken& stop) {
  if (status.ok()) return kExitDone;
  switch (KindOf(status)) {
    case ErrorKind::kStopped:
      return stop.signal() != 0 ? 128 + stop.signal() : kExitFailed;
    case ErrorKind::kConfig:
    case ErrorKind::kNotFound:
    case ErrorKind::kAlreadyExists:
    case ErrorKind::kUnsupported:
      return kExitUsage;
    default:
      return kExitFailed;
  }
}

}  // namespace calve::cli
