// How many parts may be on their way at once, over all files of a store: what bounds the memory that uploads take.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>

#include "calve/base/stop.h"

namespace calve::storage {

// Thread-safe.
class UploadSlots {
 public:
  UploadSlots(int64_t count, const StopToken& stop) : free_(count), stop_(stop) {}

  // Waits for a free one; kStopped where a stop comes first. Whoever holds one must not wait for another.
  Status Take() {
    std::unique_lock lock(mutex_);
    while (free_ <= 0) {
      ARROW_RETURN_NOT_OK(stop_.Check());
      freed_.wait_for(lock, std::chrono::milliseconds(25));
    }
    --free_;
    return Status::OK();
  }
  void GiveBack() {
    {
      std::lock_guard lock(mutex_);
      ++free_;
    }
    freed_.notify_one();
  }

 private:
  std::mutex mutex_;
  std::condition_variable freed_;
  int64_t free_;  // protected by mutex_
  const StopToken& stop_;
};

}  // namespace calve::storage
