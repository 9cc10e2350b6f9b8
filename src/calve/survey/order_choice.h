// Layers, and which table comes after which. Pure.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "calve/survey/facts.h"
#include "calve/survey/view_statement.h"

namespace calve::survey {

struct OrderChoice {
  std::string layer;  // may be empty
  std::string layer_why;
  // Names of tables; none: what the layer says.
  std::optional<std::vector<std::string>> after;
  std::string after_why;
  int depth = 0;  // how many tables come before it, one after the other
};

// For tables of one database, by name. A layer by the prefix of the name (bronze_, silver_, gold_), else by the views:
// what only views read is bronze, and what a view writes is of the layer behind what the view reads. A table that views
// write into comes after the tables that they read, be it over views and tables that are not in `tables`. No two tables
// wait for each other in the end.
std::map<std::string, OrderChoice> ChooseOrder(const std::string& database, const std::vector<std::string>& tables,
                                               const std::vector<ViewStatement>& views);

}  // namespace calve::survey
