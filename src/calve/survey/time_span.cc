#include "calve/survey/time_span.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <string_view>
#include <utility>

#include "calve/base/time.h"

namespace calve::survey {
namespace {

constexpr int64_t kMinute = 60 * kMicrosPerSecond;

struct Unit {
  std::string_view name;
  int64_t micros = 0;
  bool is_fixed = true;  // every one is as long as the next
};
constexpr std::array<Unit, 8> kUnits = {{{"SECOND", kMicrosPerSecond},
                                         {"MINUTE", kMinute},
                                         {"HOUR", 60 * kMinute},
                                         {"DAY", kMicrosPerDay},
                                         {"WEEK", 7 * kMicrosPerDay},
                                         {"MONTH", 28 * kMicrosPerDay, false},
                                         {"QUARTER", 90 * kMicrosPerDay, false},
                                         {"YEAR", 365 * kMicrosPerDay, false}}};

const Unit* UnitOf(std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  const auto found = std::ranges::find(kUnits, text, &Unit::name);
  return found == kUnits.end() ? nullptr : &*found;
}

std::optional<int64_t> Times(std::string_view digits, int64_t micros) {
  int64_t number = 0, product = 0;
  const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (parsed.ec != std::errc() || parsed.ptr != digits.data() + digits.size() || number <= 0) return std::nullopt;
  if (__builtin_mul_overflow(number, micros, &product)) return std::nullopt;
  return product;
}

struct Interval {
  int64_t micros = 0;
  bool is_fixed = true;
};
std::optional<Interval> AnyIntervalAt(const std::vector<Token>& tokens, size_t at) {
  constexpr std::string_view kFunction = "toInterval";
  auto token = [&](size_t i) { return at + i < tokens.size() ? tokens[at + i] : Token{}; };
  const Unit* unit = nullptr;
  std::string number;
  if (token(0).kind == Token::Kind::kWord && token(0).text.starts_with(kFunction) && token(2).IsName() == false) {
    unit = UnitOf(token(0).text.substr(kFunction.size()));
    number = token(2).text;
  } else if (token(0).Is("INTERVAL")) {
    unit = UnitOf(token(2).text);
    number = token(1).text;
  }
  const auto micros = unit ? Times(number, unit->micros) : std::nullopt;
  return micros ? std::optional<Interval>({*micros, unit->is_fixed}) : std::nullopt;
}

}  // namespace

std::optional<int64_t> StartOfSpan(const std::string& function) {
  constexpr std::array<std::pair<std::string_view, int64_t>, 10> kFunctions = {{
      {"toStartOfSecond", kMicrosPerSecond},
      {"toStartOfMinute", kMinute},
      {"toStartOfFiveMinute", 5 * kMinute},
      {"toStartOfFiveMinutes", 5 * kMinute},
      {"toStartOfTenMinutes", 10 * kMinute},
      {"toStartOfFifteenMinutes", 15 * kMinute},
      {"toStartOfHour", 60 * kMinute},
      {"toStartOfDay", kMicrosPerDay},
      {"toStartOfWeek", 7 * kMicrosPerDay},
      {"toMonday", 7 * kMicrosPerDay},
  }};
  const auto* found = std::ranges::find(kFunctions, function, [](const auto& pair) { return pair.first; });
  return found == kFunctions.end() ? std::nullopt : std::optional<int64_t>(found->second);
}

std::optional<int64_t> IntervalAt(const std::vector<Token>& tokens, size_t at) {
  const auto interval = AnyIntervalAt(tokens, at);
  return interval && interval->is_fixed ? std::optional<int64_t>(interval->micros) : std::nullopt;
}

std::optional<int64_t> ShortestIntervalAt(const std::vector<Token>& tokens, size_t at) {
  const auto interval = AnyIntervalAt(tokens, at);
  return interval ? std::optional<int64_t>(interval->micros) : std::nullopt;
}

std::optional<int64_t> SpanInName(const std::string& table) {
  const size_t mark = table.rfind('_');
  if (mark == std::string::npos || table.size() < mark + 3) return std::nullopt;
  const std::string_view digits(table.data() + mark + 1, table.size() - mark - 2);
  if (digits.size() > 5 || !std::ranges::all_of(digits, [](unsigned char c) { return std::isdigit(c); })) {
    return std::nullopt;
  }
  switch (table.back()) {
    case 's':
      return Times(digits, kMicrosPerSecond);
    case 'm':
      return Times(digits, kMinute);
    case 'h':
      return Times(digits, 60 * kMinute);
    case 'd':
      return Times(digits, kMicrosPerDay);
    default:
      return std::nullopt;
  }
}

std::optional<int64_t> DeletesAfter(const std::string& engine_full) {
  const std::vector<Token> tokens = Tokens(engine_full);
  size_t at = 0;
  while (at < tokens.size() && !(tokens[at].depth == 0 && tokens[at].Is("TTL"))) ++at;
  std::optional<int64_t> shortest, longest;  // of all rules; of the one at hand
  bool deletes = true;
  auto finish = [&] {
    if (longest && deletes) shortest = std::min(*longest, shortest.value_or(*longest));
    longest.reset();
    deletes = true;
  };
  for (; at < tokens.size(); ++at) {
    const Token& token = tokens[at];
    if (token.depth == 0 && (token.Is("SETTINGS") || token.Is("COMMENT"))) break;
    if (token.depth == 0 && token.IsSign(',')) finish();
    if (token.depth == 0 && (token.Is("TO") || token.Is("RECOMPRESS") || token.Is("GROUP"))) deletes = false;
    if (const auto interval = ShortestIntervalAt(tokens, at)) longest = longest.value_or(0) + *interval;
  }
  finish();
  return shortest;
}

}  // namespace calve::survey
