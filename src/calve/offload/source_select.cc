#include "calve/offload/source_select.h"

namespace calve::offload {
namespace {

std::string SelectList(const std::vector<SelectedColumn>& columns) {
  std::string list;
  for (const SelectedColumn& column : columns) {
    std::string name = source::QuoteIdentifier(column.name);
    if (!list.empty()) list += ", ";
    list += column.expression == name ? name : fmt::format("{} AS {}", column.expression, name);
  }
  return list;
}

}  // namespace

std::string AndAlive(const source::SourceTable& table) {
  const MergeRules rules = MergeRulesOf(table);
  if (rules.sign_column.empty()) return "";
  return fmt::format(" AND {}.{} > 0", kTableAlias, source::QuoteIdentifier(rules.sign_column));
}

std::string SelectRows(const source::SourceTable& table, const std::vector<SelectedColumn>& columns,
                       const Window& window, const Cursor& cursor) {
  return fmt::format("SELECT {} FROM {}{} WHERE {}{}", SelectList(columns), FromClause(table),
                     ReadsMerged(table.engine) ? " FINAL" : "", WindowPredicate(window, cursor), AndAlive(table));
}

std::string SelectDeletedKeys(const source::SourceTable& table, const std::vector<SelectedColumn>& key,
                              const Window& window, const Cursor& cursor) {
  std::string names;
  bool has_cursor = false;
  for (const SelectedColumn& column : key) {
    names += (names.empty() ? "" : ", ") + source::QuoteIdentifier(column.name);
    has_cursor |= column.name == cursor.column;
  }
  const std::string in_window = fmt::format("FROM {} WHERE {}", FromClause(table), WindowPredicate(window, cursor));
  // A row may be alive at another time than the deleted version's, unless the time is part of the key.
  const std::string alive_where =
      has_cursor ? WindowPredicate(window, cursor) : fmt::format("({0}) IN (SELECT {0} {1})", names, in_window);
  return fmt::format(
      "SELECT {} FROM (SELECT DISTINCT {} {} AND ({}) NOT IN (SELECT {} FROM {} FINAL WHERE {}{})) AS {}",
      SelectList(key), names, in_window, names, names, FromClause(table), alive_where, AndAlive(table), kTableAlias);
}

}  // namespace calve::offload
