// What of a table is compared: options that calve verify and a plan of it share.
#pragma once

#include <CLI/App.hpp>
#include <string>

#include "calve/offload/verify.h"

namespace calve::cli {

struct VerifyRangeFlags {
  std::string from, to, bucket = "hour", sample = "100%";
  uint64_t seed = 0;
  int64_t rows = 0;
  bool strict = false;
};

void AddVerifyRangeFlags(CLI::App& command, const char* group, VerifyRangeFlags& flags);
// Into the request. kConfig names the option and what is wrong with it.
Status TakeVerifyRange(const VerifyRangeFlags& flags, offload::VerifyRequest& request);

}  // namespace calve::cli
