// Time that tests set, and waiting that takes none.
#pragma once

#include <condition_variable>
#include <functional>
#include <limits>
#include <map>
#include <mutex>
#include <utility>

#include "calve/base/stop.h"
#include "calve/schedule/waiter.h"

namespace calve::schedule {

// "2026-11-24T03:00:00Z"
inline TimestampMicros At(const char* text) { return ParseTimestamp(text).ValueOrDie(); }

class FakeClock : public Clock {
 public:
  explicit FakeClock(TimestampMicros now) : now_(now) {}
  TimestampMicros Now() const override {
    std::lock_guard lock(mutex_);
    return now_;
  }
  void Set(TimestampMicros now) {
    std::lock_guard lock(mutex_);
    now_ = now;
  }
  void Advance(int64_t micros) {
    std::lock_guard lock(mutex_);
    now_ += micros;
  }

 private:
  mutable std::mutex mutex_;
  TimestampMicros now_;  // protected by mutex_
};

// Waiting for a time sets the clock to it, after what was planned for times before it. Waiting for a wake alone (while
// a cycle runs) really waits. Passing `end` requests a stop, so that no loop runs for ever.
class FakeWaiter : public Waiter {
 public:
  FakeWaiter(FakeClock& clock, StopToken& stop, TimestampMicros end) : clock_(clock), stop_(stop), end_(end) {}

  // Called by the thread that waits, when its wait passes `time`.
  void Plan(TimestampMicros time, std::function<void()> event) { events_.emplace(time, std::move(event)); }
  // From the first stop on, wait for wakes, whatever the time: the cycle that runs is about to end.
  void StopIsObeyed() { stop_is_obeyed_ = true; }

  Reason WaitUntil(TimestampMicros time) override {
    for (;;) {
      std::unique_lock lock(mutex_);
      if (time == std::numeric_limits<TimestampMicros>::max() || (stop_is_obeyed_ && stop_.stopped())) {
        changed_.wait(lock, [&] { return woken_; });
      }
      if (woken_) {
        woken_ = false;
        return Reason::kWoken;
      }
      lock.unlock();
      if (!events_.empty() && events_.begin()->first <= time) {
        auto event = events_.extract(events_.begin());
        if (event.key() > clock_.Now()) clock_.Set(event.key());
        event.mapped()();
      } else if (time > end_ && !stop_.stopped()) {
        clock_.Set(end_);
        stop_.RequestStop(15);
      } else {
        clock_.Set(time);
        return Reason::kDue;
      }
    }
  }

  void Wake() override {
    std::lock_guard lock(mutex_);
    woken_ = true;
    changed_.notify_all();
  }

 private:
  FakeClock& clock_;
  StopToken& stop_;
  const TimestampMicros end_;
  std::multimap<TimestampMicros, std::function<void()>> events_;  // of the waiting thread
  bool stop_is_obeyed_ = false;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool woken_ = false;  // protected by mutex_
};

}  // namespace calve::schedule
