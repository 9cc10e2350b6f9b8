// The SELECTs that read a source table's rows: the same for the offload and for the check of it. Pure.
#pragma once

#include <string>
#include <vector>

#include "calve/offload/column_plan.h"
#include "calve/offload/mode.h"
#include "calve/offload/window.h"

namespace calve::offload {

// The table, or the query in its place, with the filter that the caller gives it. An empty `query` and `where` are
// none. kConfig where one of them is not what ClickHouse understands.
Result<source::SourceTable> DescribeRows(source::Source& source, const std::string& table, const std::string& query,
                                         const std::string& where);

// " AND …" where merged rows may say that there is none; else empty.
std::string AndAlive(const source::SourceTable& table);

// "`db`.`table` AS _t FINAL WHERE <predicate>": the rows that are offloaded, of those that fulfil the predicate; merged
// where the engine merges, without deleted ones, and with the table's filter.
std::string RowsClause(const source::SourceTable& table, const std::string& predicate);

// A query but for the condition over `_t` that its rows fulfil.
struct SliceSelect {
  std::string head, tail;

  std::string Of(const std::string& where) const { return head + where + tail; }
};

// "SELECT <list> FROM <the table's rows that fulfil …>"; without an ORDER BY.
SliceSelect SelectWhere(const source::SourceTable& table, const std::string& list);
// Columns as a data file takes them.
SliceSelect SelectRowsWhere(const source::SourceTable& table, const std::vector<SelectedColumn>& columns);

// Rows of a window, merged where the engine merges. Without an ORDER BY.
std::string SelectRows(const source::SourceTable& table, const std::vector<SelectedColumn>& columns,
                       const Window& window, const Cursor& cursor);

// The keys of which rows with a time in the window are there, but none that is alive: the engine knows that they were
// deleted. `key` are the columns of the key, as selected.
std::string SelectDeletedKeys(const source::SourceTable& table, const std::vector<SelectedColumn>& key,
                              const Window& window, const Cursor& cursor);

}  // namespace calve::offload
