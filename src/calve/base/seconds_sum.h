// How long something took, added up over calls and threads.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace calve {

class SecondsSum {
 public:
  void Add(double seconds) { nanos_.fetch_add(static_cast<int64_t>(seconds * 1e9), std::memory_order_relaxed); }
  double seconds() const { return static_cast<double>(nanos_.load(std::memory_order_relaxed)) / 1e9; }

  // Makes the call, and adds the time that it takes, also where it throws.
  template <typename Call>
  auto Time(Call call) -> decltype(call()) {
    const Span span(*this);
    return call();
  }

 private:
  struct Span {
    explicit Span(SecondsSum& sum) : sum_(sum) {}
    ~Span() { sum_.Add(std::chrono::duration<double>(std::chrono::steady_clock::now() - began_).count()); }
    SecondsSum& sum_;
    const std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
  };

  std::atomic<int64_t> nanos_{0};
};

}  // namespace calve
