// When the next cycle is due. Pure: a function of instants (and of the time zone database, read once).
//
// `every` is aligned to the Unix epoch in UTC: 15m means :00, :15, :30 and :45, 24h midnight UTC, 7d Thursdays. It
// knows no daylight saving.
//
// `cron` is local time in a zone. Where the zone's clock is shifted, the rule is that of Debian's cron:
// - A time of day (neither minute nor hour begins with `*`: 30 2 * * *) comes once a day whatever the clock does. One
//   that the shift leaves out comes at the instant of the shift, and several that it leaves out come there as one. One
//   that exists twice comes the first time: nobody waits longer than usual, and a second cycle would be one too many.
// - An interval (`*` or `*/n` in minute or hour) goes by the time that passes: it comes whenever a clock on the wall
//   shows a minute that matches, also in both of the hours that are there twice. Else */15 would pause for an hour.
#pragma once

#include <cctz/time_zone.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "calve/base/time.h"
#include "calve/schedule/cron_expression.h"

namespace calve::schedule {

class Cadence {
 public:
  // `every_micros` at least one second and at most 366 days; `offset_micros` in [0, every): that much later each time.
  static Result<Cadence> Every(int64_t every_micros, int64_t offset_micros = 0);
  // `time_zone` is a name of the time zone database ("Europe/Berlin"). kConfig where it or the expression is none.
  static Result<Cadence> Cron(std::string_view expression, std::string_view time_zone = "UTC");

  // The first due time after `t` (not at it); `t` in the years 1 to 9999.
  TimestampMicros NextAfter(TimestampMicros t) const;

  // "every 15m", "every 15m, 2m later", "cron '0 3 * * *' in Europe/Berlin".
  std::string ToString() const;

 private:
  struct Interval {
    int64_t every = 0, offset = 0;  // micros
  };
  struct Calendar {
    CronExpression expression;
    cctz::time_zone zone;
  };
  explicit Cadence(std::variant<Interval, Calendar> rule) : rule_(std::move(rule)) {}
  static TimestampMicros NextOf(const Interval& interval, TimestampMicros t);
  static TimestampMicros NextOf(const Calendar& calendar, TimestampMicros t);

  std::variant<Interval, Calendar> rule_;
};

}  // namespace calve::schedule
