// When to try again. Pure: it computes waits, the caller sleeps.
#pragma once

#include <cstdint>

namespace calve {

// Exponential back-off with full jitter between min and max.
struct RetryPolicy {
  int attempts_max = 4;  // tries in all, the first one included
  int64_t wait_min_ms = 100;
  int64_t wait_max_ms = 60'000;
  int64_t total_max_ms = 1'800'000;  // no further try is begun after this

  // The wait before try number `attempt` (2, 3, …). `random` is uniform in [0, 1).
  int64_t WaitMs(int attempt, double random) const;
  // True where try number `attempt` may begin, `elapsed_ms` after the first one began.
  bool MayTry(int attempt, int64_t elapsed_ms) const;
};

}  // namespace calve
