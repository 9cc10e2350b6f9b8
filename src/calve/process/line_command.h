// A program of the operator's that is given lines and answers with lines: started without a shell, and never outlived.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "calve/base/stop.h"
#include "calve/base/time.h"

namespace calve::process {

struct LineCommand {
  std::vector<std::string> words;  // the program, looked for on PATH where it is a plain name, and its arguments
  int64_t timeout_micros = 0;      // it is ended after so long; 0: never
  // Between SIGTERM and SIGKILL, and for those that it left behind with its output open.
  int64_t patience_micros = 30 * kMicrosPerSecond;
};

struct LineHandlers {
  std::function<Status(std::string_view line)>
      on_answer;                                       // a line of stdout; an error ends the program, and is returned
  std::function<void(std::string_view line)> on_said;  // a line of stderr
};

// Writes `lines` to its stdin and closes it, reads both outputs to their end, and waits for it. OK: it ended with exit
// code 0. It has this process's environment, a process group of its own, default signals and no other descriptors. A
// stop (kStopped), a time-out, an error of on_answer: SIGTERM to the group, SIGKILL when patience is over. Whatever
// happens, nothing of the group runs any more when this returns. Messages end with what it said last on stderr.
//
// SIGPIPE must be ignored in this process, as cli/signals does. Waits in steps of a tenth of a second at most.
Status RunLineCommand(const LineCommand& command, const std::vector<std::string>& lines, const StopToken& stop,
                      const LineHandlers& handlers);

}  // namespace calve::process
