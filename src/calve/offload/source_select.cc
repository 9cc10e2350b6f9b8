#include "calve/offload/source_select.h"

namespace calve::offload {

bool ReadsMerged(const std::string& engine) {
  if (!engine.ends_with("MergeTree")) return false;
  for (const char* kind : {"Replacing", "Aggregating", "Summing", "Collapsing", "Coalescing", "Graphite"}) {
    if (engine.find(kind) != std::string::npos) return true;
  }
  return false;
}

std::string SelectRows(const source::SourceTable& table, const std::vector<SelectedColumn>& columns,
                       const Window& window, const Cursor& cursor) {
  std::string list;
  for (const SelectedColumn& column : columns) {
    std::string name = source::QuoteIdentifier(column.name);
    if (!list.empty()) list += ", ";
    list += column.expression == name ? name : fmt::format("{} AS {}", column.expression, name);
  }
  return fmt::format("SELECT {} FROM {}{} WHERE {}", list, FromClause(table), ReadsMerged(table.engine) ? " FINAL" : "",
                     WindowPredicate(window, cursor));
}

}  // namespace calve::offload
