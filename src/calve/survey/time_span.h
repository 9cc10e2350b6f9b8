// Lengths of time in names and in SQL. Pure; microseconds.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "calve/survey/sql_tokens.h"

namespace calve::survey {

// "toStartOfHour": an hour. None for other functions, and for months and years, which have no fixed length.
std::optional<int64_t> StartOfSpan(const std::string& function);

// toIntervalMinute(5) or INTERVAL 5 MINUTE, beginning at tokens[at]. None for months and longer ones.
std::optional<int64_t> IntervalAt(const std::vector<Token>& tokens, size_t at);

// The same of any unit, as short as it can be: a month counts as 28 days, a year as 365.
std::optional<int64_t> ShortestIntervalAt(const std::vector<Token>& tokens, size_t at);

// "ohlcv_15m": 15 minutes. Of s, m, h and d.
std::optional<int64_t> SpanInName(const std::string& table);

// The shortest time after which the table's TTL deletes rows; a month counts as 28 days, a year as 365. None where it
// deletes none (moves and recompressions do not count), or the text does not tell.
std::optional<int64_t> DeletesAfter(const std::string& engine_full);

}  // namespace calve::survey
