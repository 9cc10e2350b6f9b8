// Cron expressions of five fields, over civil (local) minutes. Pure; time zones and their shifts are cadence.h's.
//
//   minute 0-59 · hour 0-23 · day of month 1-31 · month 1-12 or JAN-DEC · weekday 0-7 (0 and 7 are Sunday) or SUN-SAT
//
// A field is a list of `*`, `a`, `a-b`, `*/n` and `a-b/n`. @hourly, @daily (@midnight), @weekly, @monthly and @yearly
// (@annually) stand for whole expressions. As in Vixie's cron: where both day fields are restricted (neither begins
// with `*`), a day matches that either of them names; otherwise it must match both.
#pragma once

#include <cctz/civil_time.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "calve/base/error.h"

namespace calve::schedule {

class CronExpression {
 public:
  // kConfig names the field and what is wrong with it; also for a day that no year has (30 February).
  static Result<CronExpression> Parse(std::string_view text);

  bool Matches(const cctz::civil_minute& minute) const;
  // The first minute at or after `from` that matches. There always is one.
  cctz::civil_minute NextFrom(const cctz::civil_minute& from) const;

  // Whether the minute or the hour begins with `*`: then it asks for an interval, not for a time of day.
  bool is_interval() const { return is_interval_; }
  const std::string& text() const { return text_; }

 private:
  CronExpression() = default;
  Status ParseFields(std::string_view text);
  Status CheckThatItComes() const;
  bool MatchesDay(const cctz::civil_day& day) const;
  bool MatchesMonth(const cctz::civil_day& day) const { return months_ >> day.month() & 1; }

  std::string text_;
  // Bit n: the value n.
  uint64_t minutes_ = 0, hours_ = 0, days_ = 0, months_ = 0, weekdays_ = 0;
  bool both_days_restricted_ = false;
  bool is_interval_ = false;
};

}  // namespace calve::schedule
