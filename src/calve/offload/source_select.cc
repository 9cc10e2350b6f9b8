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

Result<source::SourceTable> DescribeRows(source::Source& source, const std::string& table, const std::string& query,
                                         const std::string& where) {
  ARROW_ASSIGN_OR_RAISE(auto described, query.empty() ? source::DescribeTable(source, table)
                                                      : source::DescribeQuery(source, table, query));
  if (where.empty()) return described;
  source::QueryOptions any;
  any.scope = source::Scope::kAnyServer;
  auto checked = source::QueryRows(
      source, fmt::format("DESCRIBE TABLE (SELECT 1 FROM {} WHERE (\n{}\n))", FromClause(described), where), any);
  if (!checked.ok() && KindOf(checked.status()) != ErrorKind::kRetry &&
      KindOf(checked.status()) != ErrorKind::kStopped) {
    return WithContext(WithKind(checked.status(), ErrorKind::kConfig,
                                "Write a ClickHouse condition over the table's columns, such as \"venue != 'test'\"."),
                       fmt::format("the condition of {}.{}, {}", described.database, described.name, where));
  }
  ARROW_RETURN_NOT_OK(checked.status());
  described.row_filter = where;
  return described;
}

std::string RowsClause(const source::SourceTable& table, const std::string& predicate) {
  const std::string rows = fmt::format("{}{} WHERE {}{}", FromClause(table),
                                       ReadsMerged(table.merging_engine()) ? " FINAL" : "", predicate, AndAlive(table));
  if (table.row_filter.empty()) return rows;
  std::string names;
  for (const source::SourceColumn& column : table.columns) {
    if (column.default_kind == "EPHEMERAL") continue;
    names += (names.empty() ? "" : ", ") + source::QuoteIdentifier(column.name);
  }
  // In a query of its own, where no expression of the outer one takes the place of a column that the filter names. The
  // line breaks end a comment that it may end with.
  return fmt::format("(SELECT {} FROM {} AND (\n{}\n)) AS {}", names, rows, table.row_filter, kTableAlias);
}

std::string AndAlive(const source::SourceTable& table) {
  const MergeRules rules = MergeRulesOf(table);
  if (rules.sign_column.empty()) return "";
  return fmt::format(" AND {}.{} > 0", kTableAlias, source::QuoteIdentifier(rules.sign_column));
}

SliceSelect SelectWhere(const source::SourceTable& table, const std::string& list) {
  // No ClickHouse text that is understood holds this character.
  const std::string mark(1, '\0');
  const std::string text = fmt::format("SELECT {} FROM {}", list, RowsClause(table, mark));
  const size_t at = text.find(mark);
  return {text.substr(0, at), text.substr(at + mark.size())};
}

SliceSelect SelectRowsWhere(const source::SourceTable& table, const std::vector<SelectedColumn>& columns) {
  return SelectWhere(table, SelectList(columns));
}

std::string SelectRows(const source::SourceTable& table, const std::vector<SelectedColumn>& columns,
                       const Window& window, const Cursor& cursor) {
  return SelectRowsWhere(table, columns).Of(WindowPredicate(window, cursor));
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
