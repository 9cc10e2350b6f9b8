#include "calve/base/retry.h"

#include <algorithm>

namespace calve {

int64_t RetryPolicy::WaitMs(int attempt, double random) const {
  int64_t ceiling = wait_min_ms;
  for (int i = 2; i < attempt && ceiling < wait_max_ms; ++i) ceiling *= 2;
  ceiling = std::min(ceiling, wait_max_ms);
  // Half fixed, half random: concurrent losers spread out, and nobody spins.
  return ceiling / 2 + static_cast<int64_t>(random * static_cast<double>(ceiling - ceiling / 2));
}

bool RetryPolicy::MayTry(int attempt, int64_t elapsed_ms) const {
  return attempt <= attempts_max && (attempt == 1 || elapsed_ms < total_max_ms);
}

}  // namespace calve
