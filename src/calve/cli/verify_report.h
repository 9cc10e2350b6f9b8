// What `calve verify` found, for scripts and for people.
#pragma once

#include <string>

#include "calve/cli/json_output.h"
#include "calve/offload/repair.h"

namespace calve::cli {

struct VerifyWords {
  std::string bucket;  // "hour", "day"; empty: the table was compared as a whole
  bool cold_only = false;
};

Json VerifyJson(const offload::VerifyResult& r, const VerifyWords& words, int code);
void PrintVerify(const offload::VerifyResult& r, const VerifyWords& words);

Json RepairJson(const offload::RepairResult& r);
void PrintRepair(const offload::RepairResult& r);

// What was found, in numbers.
Event VerifiedEvent(const offload::VerifyResult& result, const std::string& name, const std::string& run_id);

}  // namespace calve::cli
