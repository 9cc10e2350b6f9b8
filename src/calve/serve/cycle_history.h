// The cycles that have been, as the page shows them: those of this process, and what the journal knows of earlier ones.
// Pure.
#pragma once

#include <string>
#include <vector>

#include "calve/cycle/cycle.h"
#include "calve/journal/journal.h"

namespace calve::serve {

struct PastCycle {
  TimestampMicros started = 0, finished = 0;
  std::string cause;   // "schedule" …; "journal": put together from the journal's runs
  std::string status;  // CycleStatusOf; "failed" where it failed as a whole
  int64_t done = 0, failed = 0, skipped = 0, stopped = 0;  // tables
  int64_t rows = 0, files = 0, bytes = 0;
  Status error;  // of one that failed as a whole

  friend bool operator==(const PastCycle& a, const PastCycle& b) {
    return a.started == b.started && a.finished == b.finished && a.cause == b.cause && a.status == b.status &&
           a.done == b.done && a.failed == b.failed && a.rows == b.rows && a.files == b.files && a.bytes == b.bytes;
  }
};

PastCycle PastCycleOf(const cycle::CycleReport& report, std::string cause);

// Runs, newest first, put together into cycles, oldest first. The journal knows runs and no cycles: runs of one process
// are of one cycle unless more than a minute passes between the end of one and the start of the next, or a table that
// has had its turn has another one after a pause. Runs of `own_pid` on `own_host` are left out, and so are those that
// have not ended; tables without rows leave no run, so that a cycle may have had more tables than it shows.
std::vector<PastCycle> CyclesOfRuns(const std::vector<journal::RunRecord>& runs, const std::string& own_host,
                                    int64_t own_pid);

}  // namespace calve::serve
