// Work for the time between cycles, which gives way to them.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "calve/base/stop.h"
#include "calve/base/time.h"

namespace calve::schedule {

// Thread-safe: Work is called by a thread of its own, NextAt by the loop's.
class IdleWork {
 public:
  virtual ~IdleWork() = default;
  // When there is something to do; nullopt: never.
  virtual std::optional<TimestampMicros> NextAt() = 0;
  // Does what is due, and returns soon when `stop` asks for it.
  virtual void Work(const StopToken& stop) noexcept = 0;
};

// The thread that it is done by; one piece of work at a time.
class IdleThread {
 public:
  // `ended` is called by the thread when a piece of work has ended. Both must outlive it. `work` may be null.
  IdleThread(IdleWork* work, std::function<void()> ended) : work_(work), ended_(std::move(ended)) {}
  // Waits for work under way, which is asked to end.
  ~IdleThread();
  IdleThread(const IdleThread&) = delete;
  IdleThread& operator=(const IdleThread&) = delete;

  // Begins where something is due and nothing runs. Else when it will be; nullopt: not before what runs has ended, or
  // never. Without a thread to be had the work waits for the next call.
  std::optional<TimestampMicros> BeginIfDue(TimestampMicros now);
  // Asks what runs to end, and waits for it; false: it still runs after so long.
  bool EndWithin(int64_t micros);

 private:
  IdleWork* const work_;
  const std::function<void()> ended_;
  std::unique_ptr<StopToken> stop_;  // of the work that was begun last
  std::mutex mutex_;
  std::condition_variable changed_;
  bool running_ = false;  // protected by mutex_
  std::jthread thread_;   // last: joined before what it uses goes away
};

}  // namespace calve::schedule
