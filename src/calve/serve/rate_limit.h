// How often somebody may do something. Pure, over given times.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "calve/base/time.h"

namespace calve::serve {

// A bucket of tokens for each name. Names that are not heard of for long are forgotten, and where there are too many of
// them the one that was heard of longest ago.
class RateLimit {
 public:
  // `burst` at once, and one more each `each_micros`.
  RateLimit(double burst, int64_t each_micros, size_t names_max = 1024)
      : burst_(burst), each_micros_(each_micros), names_max_(names_max) {}

  // nullopt: it may, which is not counted yet. Else how long it has to wait.
  std::optional<int64_t> Wait(const std::string& name, TimestampMicros now) const;
  // Counts it.
  void Take(const std::string& name, TimestampMicros now);

  size_t names() const { return buckets_.size(); }

 private:
  struct Bucket {
    double left = 0;
    TimestampMicros at = 0;
  };
  double LeftOf(const Bucket& bucket, TimestampMicros now) const;

  const double burst_;
  const int64_t each_micros_;
  const size_t names_max_;
  std::map<std::string, Bucket> buckets_;
};

}  // namespace calve::serve
