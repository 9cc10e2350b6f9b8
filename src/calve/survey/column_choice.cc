#include "calve/survey/column_choice.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "calve/offload/column_plan.h"

namespace calve::survey {
namespace {

using source::ClickHouseType;
using source::TypeKind;

// Whether toString() yields text of the type's values.
bool HasText(const ClickHouseType& type) {
  if (type.kind == TypeKind::kAggregateFunction || type.kind == TypeKind::kOther || type.kind == TypeKind::kNothing) {
    return false;
  }
  const bool holds_some = type.kind != TypeKind::kTuple || !type.children.empty();
  return holds_some && std::ranges::all_of(type.children, HasText);
}

// OK where offload takes the column as it is. What it has to ask ClickHouse for is taken for good.
Status Takes(const source::SourceTable& table, const source::SourceColumn& column) {
  source::SourceTable alone = table;
  alone.columns = {column};
  ARROW_ASSIGN_OR_RAISE(auto draft, offload::DraftSelect(alone, {}));
  if (!draft.ask.empty()) return Status::OK();
  return offload::FinishSelect(std::move(draft), {}).status();
}

}  // namespace

std::vector<ColumnChoice> ChooseColumns(const source::SourceTable& table, const std::string& cursor) {
  using Remedy = ColumnChoice::Remedy;
  std::vector<ColumnChoice> choices;
  for (const source::SourceColumn& column : table.columns) {
    if (!IsStored(column)) continue;
    const Status taken = Takes(table, column);
    if (taken.ok()) continue;
    const ClickHouseType& type = column.type.Unwrapped();
    const std::string quoted = source::QuoteIdentifier(column.name);
    const std::string problem = MessageOf(taken);
    if (type.kind == TypeKind::kDateTime64 && column.name == cursor) {
      choices.push_back({column.name, Remedy::kType, "timestamptz", problem + ": cut to microseconds"});
    } else if (type.kind == TypeKind::kDateTime64) {
      choices.push_back(
          {column.name, Remedy::kExpression, fmt::format("toUnixTimestamp64Nano({})", quoted),
           problem + ": kept as nanoseconds since 1970, a long. {type: timestamptz} cuts to microseconds"});
    } else if (HasText(type)) {
      choices.push_back({column.name, Remedy::kExpression, fmt::format("toString({})", quoted), problem + ": as text"});
    } else {
      choices.push_back({column.name, Remedy::kExclude, "",
                         problem + ", and no text that would hold it: left out unless you give it an expr"});
    }
  }
  return choices;
}

std::vector<std::string> CheckedColumns(const source::SourceTable& table) {
  std::vector<std::string> names;
  for (const source::SourceColumn& column : table.columns) {
    if (IsStored(column) && column.type.Unwrapped().kind == TypeKind::kUInt64) names.push_back(column.name);
  }
  return names;
}

}  // namespace calve::survey
