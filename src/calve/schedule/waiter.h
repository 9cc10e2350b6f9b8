// Where `calve serve` waits: for a time, or to be woken.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>

#include "calve/base/time.h"

namespace calve::schedule {

class Waiter {
 public:
  enum class Reason { kDue, kWoken };
  virtual ~Waiter() = default;
  // Waits until the clock shows `time` or Wake is called. A Wake that nobody waited for is not lost: the next call
  // returns at once. Several count as one. One thread waits.
  virtual Reason WaitUntil(TimestampMicros time) = 0;
  // Thread-safe.
  virtual void Wake() = 0;
};

// By the system's clock, so that it follows a clock that is set and a machine that slept.
class SystemWaiter : public Waiter {
 public:
  SystemWaiter() = default;
  // Comes back after so long at most (kDue), by a clock that nobody sets: for who has to show up.
  explicit SystemWaiter(int64_t longest_micros) : longest_(longest_micros) {}

  Reason WaitUntil(TimestampMicros time) override;
  void Wake() override;

 private:
  const SystemClock clock_;
  const std::optional<std::chrono::microseconds> longest_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool woken_ = false;  // protected by mutex_
};

}  // namespace calve::schedule
