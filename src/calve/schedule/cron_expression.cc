#include "calve/schedule/cron_expression.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace calve::schedule {
namespace {

constexpr std::array<std::string_view, 12> kMonthNames = {"JAN", "FEB", "MAR", "APR", "MAY", "JUN",
                                                          "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"};
constexpr std::array<std::string_view, 7> kWeekdayNames = {"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"};

struct Field {
  const char* name;
  int low, high;                            // of numbers
  int star_high;                            // where `*` ends
  std::span<const std::string_view> names;  // of the values from `low` on
};

constexpr Field kMinute{"minute", 0, 59, 59, {}};
constexpr Field kHour{"hour", 0, 23, 23, {}};
constexpr Field kDayOfMonth{"day of month", 1, 31, 31, {}};
constexpr Field kMonth{"month", 1, 12, 12, kMonthNames};
constexpr Field kWeekday{"weekday", 0, 7, 6, kWeekdayNames};  // 7 is Sunday, too

struct Shorthand {
  std::string_view name, fields;
};
constexpr Shorthand kShorthands[] = {{"@hourly", "0 * * * *"},  {"@daily", "0 0 * * *"},   {"@midnight", "0 0 * * *"},
                                     {"@weekly", "0 0 * * 0"},  {"@monthly", "0 0 1 * *"}, {"@yearly", "0 0 1 1 *"},
                                     {"@annually", "0 0 1 1 *"}};

bool EqualsIgnoringCase(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (std::toupper(static_cast<unsigned char>(a[i])) != std::toupper(static_cast<unsigned char>(b[i]))) return false;
  }
  return true;
}

// Digits alone, few enough not to overflow.
std::optional<int> ParseNumber(std::string_view text) {
  if (text.empty() || text.size() > 4) return std::nullopt;
  int value = 0;
  for (char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + (c - '0');
  }
  return value;
}

std::vector<std::string_view> Split(std::string_view text, std::string_view separators, bool keep_empty) {
  std::vector<std::string_view> parts;
  for (;;) {
    size_t end = text.find_first_of(separators);
    std::string_view part = text.substr(0, end);
    if (keep_empty || !part.empty()) parts.push_back(part);
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

class FieldParser {
 public:
  FieldParser(std::string_view expression, const Field& field, std::string_view text)
      : expression_(expression), field_(field), text_(text) {}

  // Bit n: the value n.
  Result<uint64_t> Parse() const {
    uint64_t bits = 0;
    for (std::string_view element : Split(text_, ",", true)) {
      ARROW_ASSIGN_OR_RAISE(uint64_t part, ParseElement(element));
      bits |= part;
    }
    return bits;
  }

 private:
  Status Bad(std::string_view what, std::string_view remedy) const {
    return MakeError(ErrorKind::kConfig, fmt::format("cron '{}': {} '{}': {}", expression_, field_.name, text_, what),
                     std::string(remedy));
  }

  Result<int> ParseValue(std::string_view text) const {
    std::optional<int> number = ParseNumber(text);
    for (size_t i = 0; i < field_.names.size() && !number; ++i) {
      if (EqualsIgnoringCase(text, field_.names[i])) number = field_.low + static_cast<int>(i);
    }
    if (number && *number >= field_.low && *number <= field_.high) return *number;
    std::string names =
        field_.names.empty() ? "" : fmt::format(", or {} to {}", field_.names.front(), field_.names.back());
    return Bad(fmt::format("'{}' is no {}", text, field_.name),
               fmt::format("Write a number from {} to {}{}; lists as 1,2, ranges as 1-5, steps as */15.", field_.low,
                           field_.high, names));
  }

  Result<uint64_t> ParseElement(std::string_view element) const {
    size_t slash = element.find('/');
    std::string_view range = element.substr(0, slash);
    size_t dash = range.find('-');
    int low = field_.low, high = field_.star_high, step = 1;
    if (range != "*") {
      ARROW_ASSIGN_OR_RAISE(low, ParseValue(range.substr(0, dash)));
      high = low;
      if (dash != std::string_view::npos) {
        ARROW_ASSIGN_OR_RAISE(high, ParseValue(range.substr(dash + 1)));
        if (high < low && high == 0 && field_.high > field_.star_high) high = field_.high;  // FRI-SUN
      } else if (slash != std::string_view::npos) {
        return Bad(fmt::format("'{}' has a step without a range", element),
                   fmt::format("Write {}-{}{}.", range, field_.star_high, element.substr(slash)));
      }
    }
    if (low > high) {
      return Bad(fmt::format("the range '{}' goes backwards", range), "Write it as a list of two ranges.");
    }
    if (slash != std::string_view::npos) {
      std::optional<int> number = ParseNumber(element.substr(slash + 1));
      if (!number || *number < 1 || *number > std::max(1, high - low)) {
        return Bad(fmt::format("'{}' is no step within {} to {}", element.substr(slash + 1), low, high),
                   "Write a step that fits into the range; for longer intervals use `every`, as in every: 90m.");
      }
      step = *number;
    }
    uint64_t bits = 0;
    for (int value = low; value <= high; value += step) bits |= uint64_t{1} << value;
    return bits;
  }

  const std::string_view expression_;
  const Field& field_;
  const std::string_view text_;
};

Result<std::string_view> ExpandShorthand(std::string_view text) {
  for (const Shorthand& shorthand : kShorthands) {
    if (EqualsIgnoringCase(text, shorthand.name)) return shorthand.fields;
  }
  return MakeError(ErrorKind::kConfig, fmt::format("cron '{}' is not known", text),
                   EqualsIgnoringCase(text.substr(0, 6), "@every")
                       ? "For intervals use `every`, as in every: 15m."
                       : "Write five fields, or @hourly, @daily, @weekly, @monthly, @yearly.");
}

int LowestBit(uint64_t bits) { return __builtin_ctzll(bits); }

// The bits from `from` on; `from` up to 64.
uint64_t From(uint64_t bits, int from) { return from >= 64 ? 0 : bits >> from << from; }

}  // namespace

Result<CronExpression> CronExpression::Parse(std::string_view text) {
  CronExpression expression;
  size_t begin = text.find_first_not_of(" \t");
  std::string_view trimmed =
      begin == std::string_view::npos ? "" : text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
  expression.text_ = std::string(trimmed);
  if (trimmed.starts_with('@')) {
    ARROW_ASSIGN_OR_RAISE(trimmed, ExpandShorthand(trimmed));
  }
  ARROW_RETURN_NOT_OK(expression.ParseFields(trimmed));
  ARROW_RETURN_NOT_OK(expression.CheckThatItComes());
  return expression;
}

Status CronExpression::ParseFields(std::string_view text) {
  std::vector<std::string_view> fields = Split(text, " \t", false);
  if (fields.size() != 5) {
    return MakeError(
        ErrorKind::kConfig, fmt::format("cron '{}' has {} fields, not 5", text_, fields.size()),
        "Write minute, hour, day of month, month and weekday, as in '*/15 * * * *'; seconds and years have no field.");
  }
  ARROW_ASSIGN_OR_RAISE(minutes_, FieldParser(text_, kMinute, fields[0]).Parse());
  ARROW_ASSIGN_OR_RAISE(hours_, FieldParser(text_, kHour, fields[1]).Parse());
  ARROW_ASSIGN_OR_RAISE(days_, FieldParser(text_, kDayOfMonth, fields[2]).Parse());
  ARROW_ASSIGN_OR_RAISE(months_, FieldParser(text_, kMonth, fields[3]).Parse());
  ARROW_ASSIGN_OR_RAISE(weekdays_, FieldParser(text_, kWeekday, fields[4]).Parse());
  weekdays_ = (weekdays_ | weekdays_ >> 7) & 0x7f;
  is_interval_ = fields[0].starts_with('*') || fields[1].starts_with('*');
  both_days_restricted_ = !fields[2].starts_with('*') && !fields[4].starts_with('*');
  return Status::OK();
}

Status CronExpression::CheckThatItComes() const {
  if (both_days_restricted_) return Status::OK();  // every month has all the weekdays
  constexpr int kLongest[] = {0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  for (int month = 1; month <= 12; ++month) {
    // 29 February falls on each weekday within 40 years, so the weekday needs no look.
    if ((months_ >> month & 1) && LowestBit(days_) <= kLongest[month]) return Status::OK();
  }
  return MakeError(
      ErrorKind::kConfig,
      fmt::format("cron '{}': day of month: none of the months named has a day {}", text_, LowestBit(days_)),
      "Name a day that one of the months has; 28 is in all of them.");
}

bool CronExpression::MatchesDay(const cctz::civil_day& day) const {
  // cctz counts weekdays from Monday.
  int weekday = (static_cast<int>(cctz::get_weekday(day)) + 1) % 7;
  bool by_month = days_ >> day.day() & 1, by_week = weekdays_ >> weekday & 1;
  return MatchesMonth(day) && (both_days_restricted_ ? by_month || by_week : by_month && by_week);
}

bool CronExpression::Matches(const cctz::civil_minute& minute) const {
  return (minutes_ >> minute.minute() & 1) && (hours_ >> minute.hour() & 1) && MatchesDay(cctz::civil_day(minute));
}

cctz::civil_minute CronExpression::NextFrom(const cctz::civil_minute& from) const {
  cctz::civil_day day(from);
  if (MatchesDay(day)) {
    uint64_t minutes = From(minutes_, from.minute());
    if ((hours_ >> from.hour() & 1) && minutes != 0) {
      return cctz::civil_minute(from.year(), from.month(), from.day(), from.hour(), LowestBit(minutes));
    }
    uint64_t hours = From(hours_, from.hour() + 1);
    if (hours != 0) {
      return cctz::civil_minute(from.year(), from.month(), from.day(), LowestBit(hours), LowestBit(minutes_));
    }
  }
  do {
    ++day;
    while (!MatchesMonth(day)) day = cctz::civil_day(cctz::civil_month(day) + 1);
  } while (!MatchesDay(day));
  return cctz::civil_minute(day.year(), day.month(), day.day(), LowestBit(hours_), LowestBit(minutes_));
}

}  // namespace calve::schedule
