#include "calve/doctor/table_ttl.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "calve/source/distributed_table.h"
#include "calve/survey/time_span.h"

namespace calve::doctor {
namespace {

using survey::Token;

constexpr const char* kRetireInstead =
    "Lengthen the TTL, or let cycles come more often. `calve retire` in its place drops only what is in cold.";

// What rounding a time down may take away from it.
int64_t RoundedDown(const Token& function) {
  for (const auto& [name, days] : {std::pair("toDate", 1), std::pair("toDate32", 1), std::pair("toStartOfMonth", 31),
                                   std::pair("toStartOfQuarter", 92), std::pair("toStartOfYear", 366)}) {
    if (function.Is(name)) return days * kMicrosPerDay;
  }
  return survey::StartOfSpan(function.text).value_or(0);
}

// The rule whose expression begins at tokens[*at], up to a comma, a clause or a bracket of its own depth; *at is then
// where it ends. Nothing where it neither deletes nor rolls up.
std::optional<TtlRule> RuleAt(const std::string& sql, const std::vector<Token>& tokens, size_t* at, int depth) {
  TtlRule rule;
  const size_t begin = *at;
  size_t end = begin;
  bool in_expression = true, takes_away = true;
  for (; *at < tokens.size() && tokens[*at].depth >= depth; ++*at) {
    const Token& token = tokens[*at];
    const bool outside = token.depth == depth;
    if (outside && (token.IsSign(',') || token.Is("SETTINGS") || token.Is("COMMENT"))) break;
    if (outside && depth > 0 && token.Is("CODEC")) break;  // of a column; else of RECOMPRESS
    if (outside && (token.Is("TO") || token.Is("RECOMPRESS"))) takes_away = false;
    if (outside && token.Is("GROUP")) rule.rolls_up = true;
    // GROUP BY and SET have commas of their own, up to the next rule: nothing tells them apart but what follows.
    const bool clause = token.Is("TO") || token.Is("RECOMPRESS") || token.Is("GROUP") || token.Is("DELETE") ||
                        token.Is("WHERE") || token.Is("SET");
    if (outside && clause) in_expression = false;
    if (!in_expression) continue;
    end = *at + 1;
    if (const auto interval = survey::ShortestIntervalAt(tokens, *at)) {
      rule.after_micros = rule.after_micros.value_or(0) + *interval;
    }
    const bool calls = end < tokens.size() && tokens[end].IsSign('(');
    if (token.IsName() && !calls && !token.Is("INTERVAL") && !survey::ShortestIntervalAt(tokens, *at)) {
      rule.by.push_back(token.text);
    }
  }
  if (end == begin || !takes_away) return std::nullopt;
  rule.text = sql.substr(tokens[begin].begin, tokens[end - 1].end - tokens[begin].begin);
  for (size_t i = begin; i < end && rule.after_micros; ++i) {
    if (tokens[i].IsName()) *rule.after_micros -= RoundedDown(tokens[i]);
  }
  // A unit of INTERVAL 7 DAY is no column.
  std::erase_if(rule.by, [](const std::string& name) {
    return survey::ShortestIntervalAt(survey::Tokens("INTERVAL 1 " + name), 0).has_value();
  });
  return rule;
}

bool IsDate(const source::SourceTable& table, const std::string& name) {
  return std::any_of(table.columns.begin(), table.columns.end(), [&](const source::SourceColumn& column) {
    return column.name == name && (column.type.text == "Date" || column.type.text == "Date32");
  });
}

Finding Warning(const std::string& about, std::string message, std::string remedy) {
  return {Level::kWarning, about, std::move(message), std::move(remedy)};
}

// "2d 1h 5m"
std::string Short(int64_t micros) {
  int64_t rest = std::max<int64_t>(micros, 0) / kMicrosPerSecond;
  std::string text;
  for (const auto& [unit, seconds] :
       {std::pair("d", 86'400), std::pair("h", 3'600), std::pair("m", 60), std::pair("s", 1)}) {
    if (rest >= seconds) text += fmt::format("{}{}{}", text.empty() ? "" : " ", rest / seconds, unit);
    rest %= seconds;
  }
  return text.empty() ? "0s" : text;
}

std::string WhatItDoes(const TtlRule& rule) {
  if (!rule.column.empty()) return fmt::format("column {} is emptied by its TTL {}", rule.column, rule.text);
  return fmt::format("rows are {} by the TTL {}", rule.rolls_up ? "rolled up" : "deleted", rule.text);
}

}  // namespace

std::vector<TtlRule> TtlRules(const std::string& create_table_query) {
  const std::vector<Token> tokens = survey::Tokens(create_table_query);
  std::vector<TtlRule> rules;
  std::string column;
  bool after_engine = false;
  for (size_t at = 0; at < tokens.size(); ++at) {
    const Token& token = tokens[at];
    after_engine |= token.depth == 0 && token.Is("ENGINE");
    if (!after_engine && token.depth == 0 && token.IsSign('(') && at + 1 < tokens.size()) column = tokens[at + 1].text;
    if (!after_engine && token.depth == 1 && token.IsSign(',') && at + 1 < tokens.size()) column = tokens[at + 1].text;
    if (!token.Is("TTL") || token.depth != (after_engine ? 0 : 1)) continue;
    const bool of_column = !after_engine;
    do {
      ++at;
      auto rule = RuleAt(create_table_query, tokens, &at, token.depth);
      if (rule && (rules.empty() || !rules.back().rolls_up || rule->after_micros)) {
        if (of_column) rule->column = column;
        rules.push_back(std::move(*rule));
      }
    } while (!of_column && at < tokens.size() && tokens[at].IsSign(','));
    --at;
  }
  return rules;
}

TtlNeeds NeedsOf(const config::TableConfig& table, bool looks_for_late, int64_t gap_micros) {
  TtlNeeds needs;
  needs.offloaded_micros = table.buffer_micros + table.cursor.covers_micros + gap_micros;
  if (looks_for_late) needs.late_micros = needs.offloaded_micros + table.lookback_micros;
  return needs;
}

std::vector<Finding> JudgeTtl(const std::string& about, const source::SourceTable& table, const std::string& cursor,
                              const std::vector<TtlRule>& rules, const TtlNeeds& needs) {
  std::vector<Finding> findings;
  for (const TtlRule& rule : rules) {
    const std::string what = WhatItDoes(rule);
    const int64_t longest = std::max(needs.offloaded_micros, needs.late_micros);
    if (!rule.after_micros) {
      findings.push_back(Warning(about, what + ", which does not tell how long they stay",
                                 fmt::format("See to it that it is more than {}.", Short(longest))));
      continue;
    }
    int64_t after = *rule.after_micros;
    const bool rounded =
        std::any_of(rule.by.begin(), rule.by.end(), [&](const auto& name) { return IsDate(table, name); });
    if (rounded) after -= kMicrosPerDay;
    const bool by_cursor = rule.by.size() == 1 && rule.by.front() == cursor;
    const std::string when = fmt::format("{}, as early as {} after {}{}", what, Short(after), fmt::join(rule.by, ", "),
                                         by_cursor ? "" : fmt::format(" (which is not the cursor, {})", cursor));
    if (after < needs.offloaded_micros) {
      findings.push_back(Warning(about,
                                 fmt::format("{}, where a row is offloaded up to {} after its time: rows can be lost",
                                             when, Short(needs.offloaded_micros)),
                                 kRetireInstead));
    } else if (after < needs.late_micros) {
      findings.push_back(Warning(
          about,
          fmt::format("{}: rows that come later than {} after their time can be gone before they are found, where the "
                      "look-back is {}",
                      when, Short(after - needs.offloaded_micros), Short(needs.late_micros - needs.offloaded_micros)),
          fmt::format(
              "Lengthen the TTL to more than {}, or say with a shorter lookback that such rows need not be found.",
              Short(needs.late_micros))));
    }
  }
  return findings;
}

std::vector<Finding> CheckTtl(const std::string& about, source::Source& source, const source::SourceTable& described,
                              const config::TableConfig& table, int64_t gap_micros) {
  if (!described.query.empty() || described.engine.empty()) return {};
  std::string database = described.database, name = described.name;
  for (int step = 0; step < 2; ++step) {
    auto rows = source::QueryRows(
        source,
        fmt::format("SELECT create_table_query, engine_full FROM system.tables WHERE database = {} AND name = {}",
                    source::QuoteString(database), source::QuoteString(name)));
    if (!rows.ok() || rows->empty()) return {};
    if (const auto over = source::ParseDistributed(rows->front()[1])) {
      database = over->database.empty() ? database : over->database;
      name = over->table;
      continue;
    }
    const bool looks_for_late = table.lookback_micros > 0 && described.engine.ends_with("MergeTree");
    return JudgeTtl(about, described, table.cursor.timestamp, TtlRules(rows->front()[0]),
                    NeedsOf(table, looks_for_late, gap_micros));
  }
  return {};
}

}  // namespace calve::doctor
