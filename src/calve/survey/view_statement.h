// CREATE MATERIALIZED VIEW … TO … AS SELECT …, as far as the order of tables asks for it. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "calve/survey/facts.h"

namespace calve::survey {

struct ViewStatement {
  TableName name;
  bool is_materialised = false;
  std::vector<TableName> reads;     // FROM and JOIN, each once, table functions left out
  std::optional<TableName> writes;  // TO; none where the view keeps its rows itself
  std::string select;               // "SELECT …"
};

// Names without a database are those of the view's own.
ViewStatement ReadView(const TableName& name, const std::string& create);

// The length of the intervals that `column` of the view's result begins: a minute where it is
// toStartOfInterval(ts, toIntervalMinute(1)) AS column. None where the text does not tell, or for intervals of no fixed
// length (months). Microseconds.
std::optional<int64_t> IntervalOf(const std::string& select, const std::string& column);

}  // namespace calve::survey
