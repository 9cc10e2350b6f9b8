// Tells how far work on a table is, where somebody looks.
#pragma once

#include <chrono>
#include <string>
#include <utility>

#include "calve/base/progress.h"

namespace calve::maintain {

class WorkMeter {
 public:
  // `sink` may be null; `unit` is of what is counted.
  WorkMeter(ProgressSink* sink, std::string unit) : sink_(sink) { progress_.unit = std::move(unit); }

  // `expected` 0: not known.
  void Begin(std::string phase, int64_t expected) {
    progress_.phase = std::move(phase);
    progress_.rows_expected = expected;
    progress_.rows = 0;
    began_ = std::chrono::steady_clock::now();
    Add(0);
  }
  void Add(int64_t count) {
    progress_.rows += count;
    progress_.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began_).count();
    if (sink_) sink_->Update(progress_);
  }

 private:
  ProgressSink* const sink_;
  Progress progress_;
  std::chrono::steady_clock::time_point began_{};
};

}  // namespace calve::maintain
