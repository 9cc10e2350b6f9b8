// When cycles begin, by what a configuration says.
#pragma once

#include "calve/config/config.h"
#include "calve/schedule/cadence.h"

namespace calve::config {

Result<schedule::Cadence> CadenceOf(const ScheduleConfig& schedule);

// The longest time between two cycles of those that come next: a schedule may leave out nights.
int64_t LongestIntervalMicros(const schedule::Cadence& cadence, TimestampMicros now);

}  // namespace calve::config
