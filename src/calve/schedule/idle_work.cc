#include "calve/schedule/idle_work.h"

#include <chrono>
#include <system_error>

namespace calve::schedule {

IdleThread::~IdleThread() {
  if (stop_) stop_->RequestStop();
}

std::optional<TimestampMicros> IdleThread::BeginIfDue(TimestampMicros now) {
  if (!work_) return std::nullopt;
  {
    std::lock_guard lock(mutex_);
    if (running_) return std::nullopt;
  }
  if (thread_.joinable()) thread_.join();
  const std::optional<TimestampMicros> next = work_->NextAt();
  if (!next || *next > now) return next;
  stop_ = std::make_unique<StopToken>();
  running_ = true;
  try {
    thread_ = std::jthread([this] {
      work_->Work(*stop_);
      {
        std::lock_guard lock(mutex_);
        running_ = false;
      }
      changed_.notify_all();
      ended_();
    });
  } catch (const std::system_error&) {
    running_ = false;
  }
  return std::nullopt;
}

bool IdleThread::EndWithin(int64_t micros) {
  if (!stop_) return true;
  stop_->RequestStop();
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, std::chrono::microseconds(micros), [this] { return !running_; });
}

}  // namespace calve::schedule
