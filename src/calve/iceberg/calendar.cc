#include "calve/iceberg/calendar.h"

#include <fmt/format.h>

namespace calve::iceberg {
namespace {

constexpr int64_t kDaysPer400Years = 146'097;
constexpr int64_t kDaysToMarch0000 = 719'468;  // from 0000-03-01 to 1970-01-01

}  // namespace

CivilDate CivilFromDays(int64_t days_since_epoch) {
  // Years are counted from March on, so that a leap day is a year's last day. 400 years have the same days always.
  int64_t eras = FloorDivide(days_since_epoch, kDaysPer400Years);
  int64_t day = days_since_epoch - eras * kDaysPer400Years + kDaysToMarch0000;
  eras += day / kDaysPer400Years;
  day %= kDaysPer400Years;
  int64_t year = (day - day / 1460 + day / 36'524 - day / 146'096) / 365;
  int64_t day_of_year = day - (365 * year + year / 4 - year / 100);
  int64_t month_from_march = (5 * day_of_year + 2) / 153;
  CivilDate date;
  date.day = static_cast<int>(day_of_year - (153 * month_from_march + 2) / 5 + 1);
  date.month = static_cast<int>(month_from_march < 10 ? month_from_march + 3 : month_from_march - 9);
  date.year = eras * 400 + year + (date.month <= 2 ? 1 : 0);
  return date;
}

std::string FormatDate(int64_t days_since_epoch) {
  CivilDate date = CivilFromDays(days_since_epoch);
  return fmt::format("{:04}-{:02}-{:02}", date.year, date.month, date.day);
}

std::string FormatTimeOfDay(int64_t units, int64_t per_second) {
  int64_t seconds = units / per_second;
  std::string text = fmt::format("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
  int64_t fraction = units % per_second;
  if (fraction == 0) return text;
  int digits = per_second == 1'000'000 ? 6 : 9;
  text += fmt::format(".{:0{}}", fraction, digits);
  text.resize(text.find_last_not_of('0') + 1);
  return text;
}

std::string FormatDateTime(int64_t units_since_epoch, int64_t per_second) {
  int64_t per_day = 86'400 * per_second;
  return FormatDate(FloorDivide(units_since_epoch, per_day)) + "T" +
         FormatTimeOfDay(FloorModulo(units_since_epoch, per_day), per_second);
}

}  // namespace calve::iceberg
