// What running work tells about itself.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "calve/base/event.h"
#include "calve/base/time.h"

namespace calve {

struct Progress {
  std::string phase;          // "planning", "reading", "committing", "committed"
  int64_t rows = 0;           // that are done; of other things than rows `unit` says of what
  int64_t rows_expected = 0;  // an estimate made before; 0 where there is none
  int64_t bytes_read = 0;     // off the wire
  int64_t bytes_written = 0;
  double seconds = 0;                          // since the work began
  std::optional<TimestampMicros> watermark{};  // of "committed": the target's, from now on
  std::string unit = "rows";                   // "files", "manifests"
};

class ProgressSink {
 public:
  virtual ~ProgressSink() = default;
  // Called from one thread, a few times per second at most as the reporter sees fit to show it.
  virtual void Update(const Progress& progress) = 0;
  // One line for people: a decision that is worth knowing (a column added, rows with a NULL cursor).
  virtual void Note(const std::string& text) = 0;
  // For the log; from any thread. Who passes on what a sink is told passes this on as well.
  virtual void Tell(const Event& event) {}
};

}  // namespace calve
