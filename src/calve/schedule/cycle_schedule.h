// Which cycle comes next, and when: the decisions of `calve serve`. Pure: a state machine over given times.
//
// - Never two cycles at once. Scheduled times that pass while a cycle runs are not made up one by one: when it ends,
//   one cycle follows at once for all of them (as Kubernetes' CronJob with `Forbid` does). A cycle takes everything up
//   to now, so one does what all would have done, and waiting for the next time would only add lag.
// - The same after downtime, from the last cycle's start on. Where nothing is known of an earlier cycle, one is due at
//   once: the journal may have been deleted, and a cycle too many does no harm.
// - While a cycle leaves a backlog and made progress, the next follows at once. One that moved nothing waits for its
//   time, so that it does not spin.
// - A cycle that failed as a whole is tried again after growing waits, or at its next time if that is sooner.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "calve/base/retry.h"
#include "calve/schedule/cadence.h"

namespace calve::schedule {

enum class CycleCause {
  kSchedule,  // its time has come
  kMissed,    // its time passed while another cycle or no calve was running
  kOnDemand,  // somebody asked for it
  kBacklog,   // the one before left a backlog: those tables are enough
  kRetry,     // tables that failed are due again (TableHealth::RetryAt): those and their dependents are enough
  kRepeat,    // the last cycle failed as a whole
};
std::string_view CycleCauseName(CycleCause cause);

struct DueCycle {
  TimestampMicros at = 0;  // the scheduled time; not after now: begin at once
  CycleCause cause = CycleCause::kSchedule;
  int64_t stands_for = 0;  // scheduled times that have passed and that this cycle is for; counted up to 1000

  friend bool operator==(const DueCycle&, const DueCycle&) = default;
};

struct CycleReport {
  bool backlog = false;                          // rows up to the cut-off are left for another cycle
  bool progressed = false;                       // some window was committed
  std::optional<TimestampMicros> retry_at = {};  // the earliest TableHealth::RetryAt
};

class CycleSchedule {
 public:
  // `last_cycle`: when the last cycle that finished began (when it finished, where only that is known).
  // `retry` for cycles that fail as a whole; its waits count, not its limits.
  CycleSchedule(Cadence cadence, TimestampMicros now, std::optional<TimestampMicros> last_cycle, RetryPolicy retry);

  // Not const: it notes a clock that was set back.
  DueCycle Next(TimestampMicros now);

  void RequestRun() { run_requested_ = true; }
  void OnStarted(TimestampMicros now);
  // `random` is uniform in [0, 1).
  void OnFinished(TimestampMicros now, const Result<CycleReport>& report, double random);
  // Times that were due by the old one and not served yet remain due; by the new one they count from now on.
  void SetCadence(Cadence cadence, TimestampMicros now);

  const Cadence& cadence() const { return cadence_; }
  bool backlog() const { return backlog_; }

 private:
  int64_t CountTimes(TimestampMicros now) const;

  Cadence cadence_;
  RetryPolicy retry_;
  std::optional<TimestampMicros> served_until_;  // times up to here are done with; nullopt: none is
  TimestampMicros busy_until_;                   // the end of the last cycle, or the start of the process
  std::optional<TimestampMicros> overdue_;       // a time of an earlier cadence that is still due
  std::optional<TimestampMicros> retry_at_;      // for kRetry
  std::optional<TimestampMicros> repeat_at_;     // for kRepeat
  bool run_requested_ = false;
  bool backlog_ = false;
  int failures_ = 0;  // of whole cycles, in a row
};

}  // namespace calve::schedule
