// Progress as one line, for a given width: pure, for the tests.
#pragma once

#include <cstdint>
#include <string>

#include "calve/base/progress.h"

namespace calve::cli {

// "3,820,509", "41.2 MB", "3.47 M", "1.2 s", "2 h 05 min"
std::string HumanCount(int64_t count);
std::string HumanBytes(int64_t bytes);
std::string HumanRate(double per_second);
std::string HumanSeconds(double seconds);

// At most `width` columns, without control characters. Narrow ones leave out what matters less: bytes, then the count,
// then the rate, then the bar.
std::string ProgressLine(const Progress& progress, size_t width);
// Of one of several tables; empty: the only one.
std::string ProgressLine(const std::string& table, const Progress& progress, size_t width);

}  // namespace calve::cli
