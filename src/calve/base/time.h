// Instants as microseconds since the Unix epoch, UTC; their text; durations; the clock.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "calve/base/error.h"

namespace calve {

// Microseconds since 1970-01-01T00:00:00Z, leap seconds ignored.
using TimestampMicros = int64_t;

inline constexpr int64_t kMicrosPerSecond = 1'000'000;
inline constexpr int64_t kMicrosPerDay = 86'400 * kMicrosPerSecond;

// ISO-8601 in UTC with six digits: 2024-08-09T00:15:58.342000Z. Years 0001 to 9999 (all that ClickHouse holds).
std::string FormatTimestamp(TimestampMicros micros);
// Takes what FormatTimestamp writes, and also a date alone, a space for the T, no fraction or one of up to 9 digits
// (cut to micros), and an offset (Z, +02:00) or none (UTC).
Result<TimestampMicros> ParseTimestamp(std::string_view text);

// "5m", "90s", "2h30m", "7d", "250ms" to microseconds; not negative. A bare number other than 0 is an error: it has no
// unit.
Result<int64_t> ParseDuration(std::string_view text);
// The shortest such text: 300000000 -> "5m".
std::string FormatDuration(int64_t micros);

// "512MB", "1GiB", "4096": MB is 10^6, MiB is 2^20.
Result<int64_t> ParseBytes(std::string_view text);

class Clock {
 public:
  virtual ~Clock() = default;
  virtual TimestampMicros Now() const = 0;
};

class SystemClock : public Clock {
 public:
  TimestampMicros Now() const override;
};

}  // namespace calve
