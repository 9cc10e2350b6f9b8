// The SELECTs that read a source table's rows: the same for the offload and for the check of it. Pure.
#pragma once

#include <string>
#include <vector>

#include "calve/offload/column_plan.h"
#include "calve/offload/mode.h"
#include "calve/offload/window.h"

namespace calve::offload {

// " AND …" where merged rows may say that there is none; else empty.
std::string AndAlive(const source::SourceTable& table);

// Rows of a window, merged where the engine merges. Without an ORDER BY.
std::string SelectRows(const source::SourceTable& table, const std::vector<SelectedColumn>& columns,
                       const Window& window, const Cursor& cursor);

// The keys of which rows with a time in the window are there, but none that is alive: the engine knows that they were
// deleted. `key` are the columns of the key, as selected.
std::string SelectDeletedKeys(const source::SourceTable& table, const std::vector<SelectedColumn>& key,
                              const Window& window, const Cursor& cursor);

}  // namespace calve::offload
