// Does ClickHouse keep rows until calve has them? What a table's TTLs take away and when, beside what the configuration
// needs. Pure, but for CheckTtl's one question.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "calve/doctor/doctor.h"
#include "calve/source/introspection.h"

namespace calve::doctor {

// A rule that deletes rows, rolls them up (GROUP BY) or empties a column. Moves and recompressions are none.
struct TtlRule {
  std::string text;    // "toDateTime(ts) + toIntervalDay(7)"
  std::string column;  // that is emptied; empty: whole rows
  bool rolls_up = false;
  std::vector<std::string> by;  // columns that it names
  // After the time that its columns say, at the earliest: a month counts as 28 days, and what is rounded down (toDate)
  // as if it were the latest. None where the text does not tell.
  std::optional<int64_t> after_micros;
};
// As system.tables spells it (create_table_query: rules of columns and of the table).
std::vector<TtlRule> TtlRules(const std::string& create_table_query);

// How long after its time a row has to be there.
struct TtlNeeds {
  int64_t offloaded_micros = 0;  // until its window is certainly read, where cycles come as scheduled
  int64_t late_micros = 0;       // until it is found where it comes as late as the look-back allows; 0: not looked for
};
TtlNeeds NeedsOf(const config::TableConfig& table, bool looks_for_late, int64_t gap_micros);

// A warning for each rule that does not fit the needs.
std::vector<Finding> JudgeTtl(const std::string& about, const source::SourceTable& table, const std::string& cursor,
                              const std::vector<TtlRule>& rules, const TtlNeeds& needs);

// `gap_micros`: the time between two cycles.
std::vector<Finding> CheckTtl(const std::string& about, source::Source& source, const source::SourceTable& described,
                              const config::TableConfig& table, int64_t gap_micros);

}  // namespace calve::doctor
