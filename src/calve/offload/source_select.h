// The SELECT that reads a source table's rows of a window: the same for the offload and for the check of it. Pure.
#pragma once

#include <string>
#include <vector>

#include "calve/offload/column_plan.h"
#include "calve/offload/window.h"

namespace calve::offload {

// Engines whose rows are only whole after merging: they are read with FINAL.
bool ReadsMerged(const std::string& engine);

// Without an ORDER BY.
std::string SelectRows(const source::SourceTable& table, const std::vector<SelectedColumn>& columns,
                       const Window& window, const Cursor& cursor);

}  // namespace calve::offload
