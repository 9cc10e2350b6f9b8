// The parts of a location. See file_io.h for LocalPath and JoinLocation.
#pragma once

#include <string_view>

namespace calve::storage {

// "s3" of "s3://bucket/key", "file" of "file:/a"; empty for a plain path.
std::string_view SchemeOf(std::string_view location);

}  // namespace calve::storage
