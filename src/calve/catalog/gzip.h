// Whole gzip members, for metadata files.
#pragma once

#include <string>
#include <string_view>

#include "calve/base/error.h"

namespace calve::catalog {

bool IsGzip(std::string_view bytes);
Result<std::string> Gzip(std::string_view bytes);
// kCorrupt for what is damaged, cut short, or larger than `size_max` when unpacked.
Result<std::string> Gunzip(std::string_view bytes, size_t size_max);

}  // namespace calve::catalog
