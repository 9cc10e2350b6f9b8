// Which table waits for which: `after`, and layers in its place. Pure.
#pragma once

#include <string>
#include <vector>

#include "calve/config/config.h"

namespace calve::config {

// The layers in the order in which they are offloaded: as they first appear in the file, but bronze, silver and gold
// always in this order among themselves.
std::vector<std::string> LayerOrder(const std::vector<TableConfig>& tables);

// The names of all tables of the layer before `layer` in `order`; empty for the first layer and where it is empty.
std::vector<std::string> TablesBefore(const std::string& layer, const std::vector<std::string>& order,
                                      const std::vector<TableConfig>& tables);

// Names in a cycle, "a", "b", "a" where a waits for b and b for a; empty where there is none. Names in `after` that
// no table has are passed over.
std::vector<std::string> FindCycle(const std::vector<TableConfig>& tables);

}  // namespace calve::config
