#include "calve/schedule/waiter.h"

#include <algorithm>
#include <chrono>

namespace calve::schedule {

Waiter::Reason SystemWaiter::WaitUntil(TimestampMicros time) {
  // In pieces: the clock's own unit cannot hold every TimestampMicros.
  constexpr int64_t kPiece = 3600 * kMicrosPerSecond;
  std::unique_lock lock(mutex_);
  for (;;) {
    if (woken_) {
      woken_ = false;
      return Reason::kWoken;
    }
    TimestampMicros now = clock_.Now();
    if (now >= time) return Reason::kDue;
    if (longest_) {
      // Not until a time of the system's clock: while it waited, that could be set back by hours.
      const auto wait = std::min<std::chrono::microseconds>(*longest_, std::chrono::microseconds(time - now));
      if (changed_.wait_for(lock, wait, [this] { return woken_; })) continue;
      return Reason::kDue;
    }
    std::chrono::microseconds until(time - now > kPiece ? now + kPiece : time);
    changed_.wait_until(lock, std::chrono::system_clock::time_point(until));
  }
}

void SystemWaiter::Wake() {
  std::lock_guard lock(mutex_);
  woken_ = true;
  changed_.notify_all();
}

}  // namespace calve::schedule
