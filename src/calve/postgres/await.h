// Waiting for a socket until a point in time.
#pragma once

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <chrono>

namespace calve::postgres {

// What poll() saw of `events`; 0 where the deadline passed.
inline short Await(int socket, short events, std::chrono::steady_clock::time_point deadline) {
  using std::chrono::milliseconds;
  for (;;) {
    auto left = std::chrono::duration_cast<milliseconds>(deadline - std::chrono::steady_clock::now()).count();
    pollfd wanted{socket, events, 0};
    int found = poll(&wanted, 1, static_cast<int>(std::max<int64_t>(left + 1, 0)));
    if (found > 0) return wanted.revents;
    if (found < 0 && errno != EINTR) return POLLERR;  // whoever reads next learns more
    if (found == 0) return 0;
  }
}

}  // namespace calve::postgres
