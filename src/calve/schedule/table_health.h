// What became of a table's last tries, and when the next one is due. Pure: a state machine over given times.
//
// After a failure that may pass by itself the table is tried again before the next cycle, after growing, jittered
// waits. One that waits for a person (config, a missing table, a type, a value) is tried again with the next cycle.
// After some failures in a row the table is put aside for growing times, so that it costs the others little, and tried
// again after each. A success forgets it all. It lives as long as the process: a restart tries everything.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "calve/base/retry.h"
#include "calve/base/time.h"

namespace calve::schedule {

struct HealthPolicy {
  // Waits between tries (base/retry.h: half fixed, half random). attempts_max: so many failures in a row put it aside.
  RetryPolicy retry{.attempts_max = 5, .wait_min_ms = 15'000, .wait_max_ms = 300'000};
  // How long it is put aside, the first time and at most; the same jitter.
  RetryPolicy aside{.wait_min_ms = 600'000, .wait_max_ms = 4 * 3'600'000};
  // At most where the failure may pass by itself: a server that comes back after hours is used again soon.
  int64_t transient_aside_max_ms = 900'000;
};

// Whether trying again soon can help, without anybody doing something.
bool MayPassByItself(ErrorKind kind);

class TableHealth {
 public:
  explicit TableHealth(HealthPolicy policy = {}) : policy_(policy) {}

  // Whether a cycle should run the table now. Also true once the clock was set back to before the last failure.
  bool DueAt(TimestampMicros now) const;
  // When a cycle for this table alone is worth it; nullopt where it should wait for the next ordinary one.
  std::optional<TimestampMicros> RetryAt() const { return retry_at_; }

  // `random` is uniform in [0, 1). A kStopped status is no failure of the table and changes nothing.
  void OnFailure(TimestampMicros now, const Status& status, double random);
  void OnSuccess();

  int failures() const { return failures_; }  // in a row
  bool put_aside() const { return failures_ >= policy_.retry.attempts_max; }

  // Empty while it is healthy. "put aside until 2026-11-24T03:00:00Z after 5 failures in a row: <the last one>",
  // "to be tried again at … after 2 failures in a row: …", "to be tried again with the next cycle after a failure: …".
  std::string Describe() const;

 private:
  HealthPolicy policy_;
  int failures_ = 0;
  TimestampMicros failed_at_ = 0, due_at_ = 0;
  std::optional<TimestampMicros> retry_at_;
  std::string last_error_;
};

}  // namespace calve::schedule
