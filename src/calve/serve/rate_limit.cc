#include "calve/serve/rate_limit.h"

#include <algorithm>
#include <cmath>

namespace calve::serve {

// A clock that is set back gives nothing and takes nothing.
double RateLimit::LeftOf(const Bucket& bucket, TimestampMicros now) const {
  const double passed = static_cast<double>(std::max<int64_t>(now - bucket.at, 0));
  return std::min(burst_, bucket.left + passed / static_cast<double>(each_micros_));
}

std::optional<int64_t> RateLimit::Wait(const std::string& name, TimestampMicros now) const {
  const auto found = buckets_.find(name);
  if (found == buckets_.end()) return std::nullopt;
  const double left = LeftOf(found->second, now);
  if (left >= 1) return std::nullopt;
  return static_cast<int64_t>(std::ceil((1 - left) * static_cast<double>(each_micros_)));
}

void RateLimit::Take(const std::string& name, TimestampMicros now) {
  if (!buckets_.contains(name) && buckets_.size() >= names_max_) {
    std::erase_if(buckets_, [&](const auto& entry) { return LeftOf(entry.second, now) >= burst_; });
    if (buckets_.size() >= names_max_) {
      buckets_.erase(
          std::ranges::min_element(buckets_, [](const auto& a, const auto& b) { return a.second.at < b.second.at; }));
    }
  }
  Bucket& bucket = buckets_.try_emplace(name, Bucket{burst_, now}).first->second;
  bucket = {std::max(0.0, LeftOf(bucket, now) - 1), now};
}

}  // namespace calve::serve
