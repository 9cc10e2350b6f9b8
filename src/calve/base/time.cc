#include "calve/base/time.h"

#include <fmt/format.h>

#include <charconv>
#include <chrono>
#include <utility>

namespace calve {
namespace {

using std::chrono::sys_days;

bool TakeDigits(std::string_view& text, size_t count, int& out) {
  if (text.size() < count) return false;
  for (char c : text.substr(0, count)) {
    if (c < '0' || c > '9') return false;  // from_chars would take a sign
  }
  auto [end, ec] = std::from_chars(text.data(), text.data() + count, out);
  if (ec != std::errc() || end != text.data() + count) return false;
  text.remove_prefix(count);
  return true;
}

bool TakeChar(std::string_view& text, char c) {
  if (text.empty() || text.front() != c) return false;
  text.remove_prefix(1);
  return true;
}

// [Z | (+|-)HH[:]MM], or nothing.
bool TakeOffset(std::string_view& text, int64_t& seconds) {
  seconds = 0;
  if (text.empty() || TakeChar(text, 'Z') || TakeChar(text, 'z')) return text.empty();
  int sign = text.front() == '-' ? -1 : 1;
  if (!TakeChar(text, '+') && !TakeChar(text, '-')) return false;
  int hours = 0, minutes = 0;
  if (!TakeDigits(text, 2, hours)) return false;
  TakeChar(text, ':');
  if (!text.empty() && !TakeDigits(text, 2, minutes)) return false;
  seconds = sign * (hours * 3600 + minutes * 60);
  return text.empty() && hours < 24 && minutes < 60;
}

bool Parse(std::string_view text, TimestampMicros& out) {
  int year, month, day, hour = 0, minute = 0, second = 0;
  if (!TakeDigits(text, 4, year) || !TakeChar(text, '-') || !TakeDigits(text, 2, month) || !TakeChar(text, '-') ||
      !TakeDigits(text, 2, day)) {
    return false;
  }
  std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
                                   std::chrono::day(static_cast<unsigned>(day))};
  if (!date.ok()) return false;
  int64_t fraction = 0, offset = 0;
  if (TakeChar(text, 'T') || TakeChar(text, 't') || TakeChar(text, ' ')) {
    if (!TakeDigits(text, 2, hour) || !TakeChar(text, ':') || !TakeDigits(text, 2, minute)) return false;
    if (TakeChar(text, ':') && !TakeDigits(text, 2, second)) return false;
    if (hour > 23 || minute > 59 || second > 59) return false;
    if (TakeChar(text, '.')) {
      int digits = 0;
      for (; !text.empty() && text.front() >= '0' && text.front() <= '9'; text.remove_prefix(1), ++digits) {
        if (digits < 6) fraction = fraction * 10 + (text.front() - '0');
      }
      if (digits == 0 || digits > 9) return false;
      for (; digits < 6; ++digits) fraction *= 10;
    }
  }
  if (!TakeOffset(text, offset)) return false;
  int64_t days = sys_days(date).time_since_epoch().count();
  out = (days * 86'400 + hour * 3600 + minute * 60 + second - offset) * kMicrosPerSecond + fraction;
  return true;
}

struct Unit {
  std::string_view name;
  int64_t size;
};

// Long names first among those that share a beginning.
constexpr Unit kDurations[] = {{"ms", 1'000},
                               {"us", 1},
                               {"s", kMicrosPerSecond},
                               {"m", 60 * kMicrosPerSecond},
                               {"h", 3600 * kMicrosPerSecond},
                               {"d", kMicrosPerDay},
                               {"w", 7 * kMicrosPerDay}};
constexpr Unit kSizes[] = {{"KiB", 1 << 10}, {"MiB", 1 << 20},  {"GiB", 1 << 30},        {"TiB", int64_t{1} << 40},
                           {"KB", 1'000},    {"MB", 1'000'000}, {"GB", 1'000'000'000},   {"TB", 1'000'000'000'000},
                           {"K", 1 << 10},  // as Java, systemd and ClickHouse write it
                           {"M", 1 << 20},   {"G", 1 << 30},    {"T", int64_t{1} << 40}, {"B", 1},
                           {"", 1}};

}  // namespace

std::string FormatTimestamp(TimestampMicros micros) {
  int64_t days = micros / kMicrosPerDay;
  if (micros % kMicrosPerDay < 0) --days;
  int64_t rest = micros - days * kMicrosPerDay;
  std::chrono::year_month_day date{sys_days(std::chrono::days(days))};
  int64_t seconds = rest / kMicrosPerSecond;
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), seconds / 3600,
                     seconds / 60 % 60, seconds % 60, rest % kMicrosPerSecond);
}

Result<TimestampMicros> ParseTimestamp(std::string_view text) {
  TimestampMicros micros = 0;
  if (Parse(text, micros)) return micros;
  return MakeError(ErrorKind::kConfig, fmt::format("'{}' is not a point in time", text),
                   "Write it as 2024-08-09T00:15:00Z.");
}

Result<int64_t> ParseDuration(std::string_view text) {
  auto bad = [whole = std::string(text)] {
    return MakeError(ErrorKind::kConfig, fmt::format("'{}' is not a duration", whole),
                     "Write a number and a unit: 250ms, 90s, 5m, 2h, 7d.");
  };
  if (text == "0") return 0;
  if (text.empty()) return bad();
  int64_t total = 0;
  while (!text.empty()) {
    int64_t number = 0;
    auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (ec != std::errc() || number < 0) return bad();
    text.remove_prefix(static_cast<size_t>(end - text.data()));
    const Unit* unit = nullptr;
    for (const Unit& candidate : kDurations) {
      if (text.starts_with(candidate.name)) {
        unit = &candidate;
        break;
      }
    }
    int64_t part = 0;
    if (!unit || __builtin_mul_overflow(number, unit->size, &part) || __builtin_add_overflow(total, part, &total)) {
      return bad();
    }
    text.remove_prefix(unit->name.size());
  }
  return total;
}

std::string FormatDuration(int64_t micros) {
  if (micros == 0) return "0s";
  for (auto [name, size] : {Unit{"d", kMicrosPerDay}, Unit{"h", 3600 * kMicrosPerSecond},
                            Unit{"m", 60 * kMicrosPerSecond}, Unit{"s", kMicrosPerSecond}, Unit{"ms", 1'000}}) {
    if (micros % size == 0) return fmt::format("{}{}", micros / size, name);
  }
  return fmt::format("{}us", micros);
}

Result<int64_t> ParseBytes(std::string_view text) {
  int64_t number = 0;
  auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (ec == std::errc() && number >= 0) {
    std::string_view rest = text.substr(static_cast<size_t>(end - text.data()));
    for (const Unit& unit : kSizes) {
      int64_t bytes = 0;
      if (rest == unit.name && !__builtin_mul_overflow(number, unit.size, &bytes)) return bytes;
    }
  }
  return MakeError(ErrorKind::kConfig, fmt::format("'{}' is not a size", text), "Write it as 512MB or 1GiB.");
}

TimestampMicros SystemClock::Now() const {
  return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace calve
