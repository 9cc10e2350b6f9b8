// SIGINT and SIGTERM as a request to stop. A second one ends the process at once. SIGHUP as a request to reload where
// somebody listens for that (StopListener), else (a terminal that was closed) as one to stop.
#pragma once

#include <csignal>
#include <thread>

#include "calve/base/stop.h"

namespace calve::cli {

// Make it before any other thread: the signals are blocked for all threads and taken by one that waits for them, so
// that no code runs in a signal handler.
class SignalWatch {
 public:
  explicit SignalWatch(StopToken& stop);
  ~SignalWatch();
  SignalWatch(const SignalWatch&) = delete;
  SignalWatch& operator=(const SignalWatch&) = delete;

 private:
  sigset_t signals_;
  std::thread thread_;
};

}  // namespace calve::cli
