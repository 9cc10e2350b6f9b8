// Dates as HTTP has them: "Sun, 06 Nov 1994 08:49:37 GMT". RFC 9110, section 5.6.7.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "calve/base/time.h"

namespace calve::http {

std::string HttpDate(TimestampMicros at);
// Milliseconds since the epoch; nullopt for what is no date.
std::optional<int64_t> HttpDateMs(const std::string& text);

}  // namespace calve::http
