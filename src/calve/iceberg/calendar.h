// The proleptic Gregorian calendar over all of int64's range of days; std::chrono ends at the year 32767.
#pragma once

#include <cstdint>
#include <string>

namespace calve::iceberg {

struct CivilDate {
  int64_t year = 1970;
  int month = 1;  // 1 to 12
  int day = 1;    // 1 to 31
};

CivilDate CivilFromDays(int64_t days_since_epoch);

// Rounds towards negative infinity; `divisor` is positive.
constexpr int64_t FloorDivide(int64_t value, int64_t divisor) {
  return value / divisor - (value % divisor < 0 ? 1 : 0);
}
constexpr int64_t FloorModulo(int64_t value, int64_t divisor) {
  return value % divisor + (value % divisor < 0 ? divisor : 0);
}

// "2024-08-09".
std::string FormatDate(int64_t days_since_epoch);
// "10:15:30", with a fraction only where there is one, cut after its last digit that is not 0.
// `per_second` is the unit: 1'000'000 or 1'000'000'000.
std::string FormatTimeOfDay(int64_t units, int64_t per_second);
// "2024-08-09T10:15:30.5".
std::string FormatDateTime(int64_t units_since_epoch, int64_t per_second);

}  // namespace calve::iceberg
