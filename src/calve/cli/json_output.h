// What commands print with --json: one object on stdout, nothing else there.
#pragma once

#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>

#include "calve/base/error.h"
#include "calve/base/time.h"

namespace calve::cli {

using Json = nlohmann::ordered_json;

inline Json ErrorJson(const Status& status) {
  return {{"kind", ErrorKindName(KindOf(status))}, {"message", MessageOf(status)}, {"remedy", RemedyOf(status)}};
}

inline Json TimeOrNull(const std::optional<TimestampMicros>& time) {
  return time ? Json(FormatTimestamp(*time)) : Json(nullptr);
}

// Text that is not UTF-8 (a value of somebody's data in a message) is replaced, never thrown at.
inline void PrintJson(const Json& json) {
  std::printf("%s\n", json.dump(-1, ' ', false, Json::error_handler_t::replace).c_str());
}

}  // namespace calve::cli
