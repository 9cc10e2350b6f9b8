#include "calve/source/replica_choice.h"

#include <algorithm>
#include <tuple>

namespace calve::source {

std::optional<size_t> ChooseServer(const std::vector<ServerLoad>& candidates, int running_max, int64_t now_ms) {
  const bool any_works = std::any_of(candidates.begin(), candidates.end(),
                                     [&](const ServerLoad& server) { return server.passed_over_until_ms <= now_ms; });
  const auto rank = [&](const ServerLoad& server) {
    return std::tuple(any_works ? 0 : server.passed_over_until_ms, server.running, server.turn);
  };
  std::optional<size_t> best;
  for (size_t i = 0; i < candidates.size(); ++i) {
    const ServerLoad& server = candidates[i];
    if (any_works && server.passed_over_until_ms > now_ms) continue;
    if (running_max > 0 && server.running >= running_max) continue;
    if (!best || rank(server) < rank(candidates[*best])) best = i;
  }
  return best;
}

int64_t PassOverMs(int failures) { return std::min<int64_t>(int64_t{1000} << std::clamp(failures - 1, 0, 6), 60'000); }

}  // namespace calve::source
