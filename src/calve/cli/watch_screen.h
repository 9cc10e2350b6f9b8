// A terminal that is drawn over again and again, and is as it was before when that ends, however it ends.
#pragma once

#include <atomic>
#include <mutex>
#include <string>
#include <vector>

#include "calve/base/stop.h"

namespace calve::cli {

// Of stdout. A stop gives the terminal back at once, also where the work at hand takes its time.
class WatchScreen {
 public:
  explicit WatchScreen(StopToken& stop);
  ~WatchScreen();
  WatchScreen(const WatchScreen&) = delete;
  WatchScreen& operator=(const WatchScreen&) = delete;

  // Lines that do not fit are left out, and counted.
  void Show(const std::vector<std::string>& lines);
  // The terminal was closed.
  bool hung_up() const { return hung_up_; }

 private:
  void Leave();

  std::mutex mutex_;
  bool is_on_ = false;  // protected by mutex_
  std::atomic<bool> hung_up_{false};
  StopListener listener_;
};

}  // namespace calve::cli
