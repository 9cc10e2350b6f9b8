#include "calve/survey/cursor_choice.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>
#include <vector>

#include "calve/base/text.h"
#include "calve/base/time.h"
#include "calve/offload/mode.h"
#include "calve/survey/sql_tokens.h"
#include "calve/survey/time_span.h"
#include "calve/survey/view_statement.h"

namespace calve::survey {
namespace {

using source::SourceColumn;
using source::TypeKind;

bool IsTime(const SourceColumn& column) {
  const TypeKind kind = column.type.Unwrapped().kind;
  return IsStored(column) && (kind == TypeKind::kDateTime || kind == TypeKind::kDateTime64);
}

bool IsDate(const SourceColumn& column) {
  const TypeKind kind = column.type.Unwrapped().kind;
  return kind == TypeKind::kDate || kind == TypeKind::kDate32;
}

// What offload reports the highest value of.
bool IsCounter(const SourceColumn& column) {
  switch (column.type.Unwrapped().kind) {
    case TypeKind::kInt8:
    case TypeKind::kInt16:
    case TypeKind::kInt32:
    case TypeKind::kInt64:
    case TypeKind::kUInt8:
    case TypeKind::kUInt16:
    case TypeKind::kUInt32:
    case TypeKind::kUInt64:
      return IsStored(column);
    default:
      return false;
  }
}

bool CountsUp(const std::string& column) {
  const std::string name = Lower(column);
  return name.find("sequence") != std::string::npos || name.find("offset") != std::string::npos || name == "seq" ||
         name.ends_with("_seq") || name == "id" || name.ends_with("_id");
}

// The first time that the key names, in one of its expressions if need be.
const SourceColumn* FirstTime(const source::SourceTable& table, const std::string& key) {
  for (const KeyElement& element : KeyElements(key)) {
    for (const std::string& name : element.names) {
      const SourceColumn* column = FindColumn(table, name);
      if (column && IsTime(*column)) return column;
    }
  }
  return nullptr;
}

std::string WhyNone(const source::SourceTable& table) {
  for (const SourceColumn& column : table.columns) {
    if (IsDate(column)) {
      return fmt::format(
          "its only time is {}, a {}: windows are cut by a DateTime or DateTime64. A `query` can make one of it, such "
          "as SELECT *, toDateTime({}, 'UTC') AS … (docs/config.md).",
          column.name, column.type.text, column.name);
    }
  }
  return "it has no DateTime or DateTime64 column that could tell when a row is of";
}

void ChooseSequence(const source::SourceTable& table, CursorChoice* choice) {
  bool behind = false;
  for (const KeyElement& element : KeyElements(table.sorting_key)) {
    if (behind && !element.column.empty() && CountsUp(element.column)) {
      const SourceColumn* column = FindColumn(table, element.column);
      if (column && IsCounter(*column)) {
        choice->sequence = element.column;
        choice->sequence_why =
            fmt::format("{} counts on behind it in the sorting key; its highest value is reported", element.column);
        return;
      }
    }
    behind |= std::ranges::find(element.names, choice->timestamp) != element.names.end();
  }
}

bool BeginsInterval(const std::string& column) {
  constexpr std::array<std::string_view, 8> kWords = {"window", "bucket", "period",   "interval",
                                                      "start",  "open",   "candle_t", "bar_t"};
  const std::string name = Lower(column);
  return std::ranges::any_of(kWords, [&](std::string_view word) { return name.find(word) != std::string::npos; });
}

}  // namespace

CursorChoice ChooseCursor(const source::SourceTable& table) {
  CursorChoice choice;
  if (const SourceColumn* column = FirstTime(table, table.sorting_key)) {
    choice.timestamp = column->name;
    choice.why = fmt::format("{} is the first time in the sorting key ({})", column->name, table.sorting_key);
  } else if (const SourceColumn* partitioned = FirstTime(table, table.partition_key)) {
    choice.timestamp = partitioned->name;
    choice.why = fmt::format("{} is the time in the partition key {}; the sorting key has none", partitioned->name,
                             table.partition_key);
  } else {
    const auto first = std::ranges::find_if(table.columns, IsTime);
    if (first == table.columns.end()) {
      choice.why = WhyNone(table);
      return choice;
    }
    choice.timestamp = first->name;
    choice.is_certain = false;
    choice.why = fmt::format(
        "CHECK THIS: {} is only the first time among the columns; neither sorting nor partition key has one. The "
        "cursor has to tell when a row is of, and never change. Without it in the sorting key ClickHouse reads the "
        "whole table for each window",
        first->name);
  }
  if (FindColumn(table, choice.timestamp)->type.IsNullable()) {
    choice.is_certain = false;
    choice.why += "; it is Nullable, and rows without a time belong to no window: they stay in hot alone";
  }
  ChooseSequence(table, &choice);
  return choice;
}

std::optional<SpanChoice> ChooseSpan(const source::SourceTable& table, const std::string& cursor,
                                     const std::map<std::string, std::string>& selects) {
  const bool adds_up = offload::ReadsMerged(table.engine) && !offload::MergeRulesOf(table).whole_rows;
  if (!adds_up || !BeginsInterval(cursor)) return std::nullopt;
  std::optional<SpanChoice> longest;
  for (const auto& [view, select] : selects) {
    const auto span = IntervalOf(select, cursor);
    if (!span || (longest && longest->micros >= *span)) continue;
    longest =
        SpanChoice{*span, fmt::format("the view {} makes {} the beginning of {}", view, cursor, FormatDuration(*span))};
  }
  if (longest) return longest;
  const auto span = SpanInName(table.name);
  if (!span) return std::nullopt;
  return SpanChoice{*span, fmt::format("the table's name ends so, and {} begins an interval", cursor)};
}

}  // namespace calve::survey
