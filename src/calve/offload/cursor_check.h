// Looks at the cursor and sequence columns of decoded blocks. Pure.
#pragma once

#include <arrow/array.h>

#include <optional>

#include "calve/offload/window.h"

namespace calve::offload {

// kCorrupt where a row's cursor is null or outside the window: then ClickHouse and calve disagree about the predicate,
// and committing would lose or double rows.
Status CheckCursor(const arrow::Array& cursor, const Window& window, const std::string& column);

// The largest value of an integer column; nullopt where there is none or the column is of another type. Values over
// 2^63-1 are capped: the watermark's sequence is for people.
std::optional<int64_t> MaxInteger(const arrow::Array& column);

}  // namespace calve::offload
