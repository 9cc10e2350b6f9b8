// A FileIO with faults that also lets something happen once, just before a call: what another process does at that
// moment.
#pragma once

#include <functional>
#include <string>
#include <utility>

#include "calve/storage/fault_injection.h"

namespace calve::storage {

class HookedFileIO : public FaultInjectingFileIO {
 public:
  using FaultInjectingFileIO::FaultInjectingFileIO;
  // Of kWriteNew, kExists or kDelete, on a location that contains the text.
  void Before(FaultPoint point, std::string location_part, std::function<void()> run) {
    point_ = point, part_ = std::move(location_part), run_ = std::move(run);
  }
  bool has_run() const { return !run_; }

  Status WriteNew(const std::string& location, std::string_view bytes) override {
    Come(FaultPoint::kWriteNew, location);
    return FaultInjectingFileIO::WriteNew(location, bytes);
  }
  Result<bool> Exists(const std::string& location) override {
    Come(FaultPoint::kExists, location);
    return FaultInjectingFileIO::Exists(location);
  }
  Status Delete(const std::string& location) override {
    Come(FaultPoint::kDelete, location);
    return FaultInjectingFileIO::Delete(location);
  }

 private:
  void Come(FaultPoint point, const std::string& location) {
    if (run_ && point == point_ && location.find(part_) != std::string::npos) std::exchange(run_, nullptr)();
  }

  FaultPoint point_ = FaultPoint::kRead;
  std::string part_;
  std::function<void()> run_;
};

}  // namespace calve::storage
