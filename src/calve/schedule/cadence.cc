#include "calve/schedule/cadence.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <limits>

namespace calve::schedule {
namespace {

constexpr int64_t kEveryMin = kMicrosPerSecond;
constexpr int64_t kEveryMax = 366 * kMicrosPerDay;

using Seconds = cctz::time_point<cctz::seconds>;

int64_t FloorDivide(int64_t a, int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }

int64_t MicrosOf(Seconds instant) { return instant.time_since_epoch().count() * kMicrosPerSecond; }

// Names of the database alone: cctz would also take paths to files.
bool IsZoneName(std::string_view name) {
  if (name.empty() || name.size() > 64 || name.front() == '/' || name.find("..") != std::string_view::npos)
    return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '/' || c == '_' ||
           c == '-' || c == '+';
  });
}

// Times of day. An earlier civil time is never a later instant, so the first match whose instant is after `t` is the
// next.
Seconds NextTimeOfDay(const CronExpression& expression, const cctz::time_zone& zone, Seconds t) {
  cctz::civil_minute local(zone.lookup(t).cs);
  for (;; ++local) {
    local = expression.NextFrom(local);
    // Of two instants the first; where there is none, the shift.
    Seconds instant = cctz::convert(cctz::civil_second(local), zone);
    if (instant > t) return instant;
  }
}

// Intervals: from shift to shift local time is an offset away.
Seconds NextOfInterval(const CronExpression& expression, const cctz::time_zone& zone, Seconds t) {
  Seconds from = t + cctz::seconds(1);
  for (;;) {
    cctz::civil_second local = zone.lookup(from).cs;
    cctz::civil_minute minute(local);
    if (cctz::civil_second(minute) < local) ++minute;
    Seconds instant = from + cctz::seconds(cctz::civil_second(expression.NextFrom(minute)) - local);
    cctz::time_zone::civil_transition shift;
    // After `from`: a shift at `from` itself has its effect on `local` already.
    if (!zone.next_transition(from, &shift)) return instant;
    Seconds shifted = zone.lookup(shift.to).trans;
    if (instant < shifted || shifted <= from) return instant;
    from = shifted;
  }
}

}  // namespace

Result<Cadence> Cadence::Every(int64_t every_micros, int64_t offset_micros) {
  if (every_micros < kEveryMin || every_micros > kEveryMax) {
    return MakeError(ErrorKind::kConfig, fmt::format("every: a cycle every {}", FormatDuration(every_micros)),
                     "Write an interval from 1s to 366d, as in every: 15m.");
  }
  if (offset_micros < 0 || offset_micros >= every_micros) {
    return MakeError(ErrorKind::kConfig,
                     fmt::format("offset: {} is not less than the {} between cycles", FormatDuration(offset_micros),
                                 FormatDuration(every_micros)),
                     "Write an offset from 0s to less than `every`.");
  }
  return Cadence(Interval{every_micros, offset_micros});
}

Result<Cadence> Cadence::Cron(std::string_view expression, std::string_view time_zone) {
  ARROW_ASSIGN_OR_RAISE(CronExpression parsed, CronExpression::Parse(expression));
  cctz::time_zone zone;
  if (!IsZoneName(time_zone) || !cctz::load_time_zone(std::string(time_zone), &zone)) {
    return MakeError(ErrorKind::kConfig, fmt::format("'{}' is no time zone that this machine knows", time_zone),
                     "Write it as Europe/Berlin or UTC; the zones are in Debian's package tzdata.");
  }
  return Cadence(Calendar{std::move(parsed), zone});
}

TimestampMicros Cadence::NextAfter(TimestampMicros t) const {
  return std::visit([t](const auto& rule) { return NextOf(rule, t); }, rule_);
}

TimestampMicros Cadence::NextOf(const Interval& interval, TimestampMicros t) {
  return (FloorDivide(t - interval.offset, interval.every) + 1) * interval.every + interval.offset;
}

TimestampMicros Cadence::NextOf(const Calendar& calendar, TimestampMicros t) {
  Seconds second{cctz::seconds(FloorDivide(t, kMicrosPerSecond))};
  return MicrosOf(calendar.expression.is_interval() ? NextOfInterval(calendar.expression, calendar.zone, second)
                                                    : NextTimeOfDay(calendar.expression, calendar.zone, second));
}

std::string Cadence::ToString() const {
  if (const auto* interval = std::get_if<Interval>(&rule_)) {
    std::string text = "every " + FormatDuration(interval->every);
    return interval->offset == 0 ? text : fmt::format("{}, {} later", text, FormatDuration(interval->offset));
  }
  const auto& calendar = std::get<Calendar>(rule_);
  return fmt::format("cron '{}' in {}", calendar.expression.text(), calendar.zone.name());
}

}  // namespace calve::schedule
