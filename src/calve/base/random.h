// Random identifiers, from the operating system's generator. Thread-safe.
#pragma once

#include <cstdint>
#include <string>

namespace calve {

// RFC 9562 version 4, lower case with hyphens.
std::string RandomUuid();
// Version 7: begins with the time, the rest is random.
std::string TimeOrderedUuid(int64_t now_ms);
// Positive, never 0: fit for an Iceberg snapshot id.
int64_t RandomPositiveInt64();
// Uniform in [0, 1).
double RandomUnit();

}  // namespace calve
