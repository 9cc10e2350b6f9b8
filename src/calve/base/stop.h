// A request to stop, set once (by a signal handler or another thread) and looked at between steps.
#pragma once

#include <atomic>

#include "calve/base/error.h"

namespace calve {

class StopToken {
 public:
  void RequestStop(int signal = 0) {
    signal_.store(signal, std::memory_order_relaxed);
    stopped_.store(true, std::memory_order_release);
  }
  bool stopped() const { return stopped_.load(std::memory_order_acquire); }
  int signal() const { return signal_.load(std::memory_order_relaxed); }
  // kStopped where a stop was asked for.
  Status Check() const { return stopped() ? MakeError(ErrorKind::kStopped, "stopped") : Status::OK(); }

 private:
  std::atomic<bool> stopped_{false};
  std::atomic<int> signal_{0};
};

}  // namespace calve
