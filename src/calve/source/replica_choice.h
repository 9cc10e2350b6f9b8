// Which server of a shard the next query goes to. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace calve::source {

// What this process knows of a server.
struct ServerLoad {
  int running = 0;                   // queries for rows
  int64_t turn = 0;                  // rises with each choice: the smallest was chosen longest ago
  int failures = 0;                  // in a row
  int64_t passed_over_until_ms = 0;  // after a failure, others come first until then
};

// Of the candidates that work: the one with the fewest queries, then the one that was chosen longest ago. Where none
// works, the one that has been left in peace longest. Nothing where what would be chosen runs `running_max` queries (0:
// no limit): then one waits, for a server that works and is busy comes before one that does not.
std::optional<size_t> ChooseServer(const std::vector<ServerLoad>& candidates, int running_max, int64_t now_ms);

// For how long a server is passed over after so many failures in a row: from a second to a minute.
int64_t PassOverMs(int failures);

}  // namespace calve::source
