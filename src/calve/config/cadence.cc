#include "calve/config/cadence.h"

#include <algorithm>

namespace calve::config {
namespace {

constexpr int kTimesLookedAt = 100;

}  // namespace

Result<schedule::Cadence> CadenceOf(const ScheduleConfig& schedule) {
  if (!schedule.cron.empty()) return schedule::Cadence::Cron(schedule.cron, schedule.timezone);
  return schedule::Cadence::Every(schedule.every_micros, schedule.offset_micros);
}

int64_t LongestIntervalMicros(const schedule::Cadence& cadence, TimestampMicros now) {
  int64_t longest = 0;
  TimestampMicros at = cadence.NextAfter(now);
  for (int i = 0; i < kTimesLookedAt; ++i) {
    const TimestampMicros next = cadence.NextAfter(at);
    longest = std::max(longest, next - at);
    at = next;
  }
  return longest;
}

}  // namespace calve::config
