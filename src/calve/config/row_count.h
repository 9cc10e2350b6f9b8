// Numbers of rows as people write them.
#pragma once

#include <string>
#include <string_view>

#include "calve/base/error.h"

namespace calve::config {

// "50M", "50M rows", "2000000": K, M and B are 10^3, 10^6 and 10^9.
Result<int64_t> ParseRows(std::string_view text);
// The largest unit that says it exactly: 50000000 is 50M.
std::string FormatRows(int64_t rows);

}  // namespace calve::config
