// What is to be inserted where, and how both sides are compared.
#pragma once

#include "calve/offload/cold_defaults.h"
#include "calve/offload/restore.h"
#include "calve/offload/verify_plan.h"

namespace calve::offload {

struct RestorePlan {
  // The table as hot, the snapshot as cold. Its metadata's current schema is the snapshot's.
  VerifyPlan compare;
  Window range;
  bool merges = false;   // the table's engine merges rows by key
  iceberg::Schema read;  // the cold columns to insert from; those of compare.schema stand in front, in their order
  ColdDefaults defaults;
  source::Insertion insertion;
  std::vector<std::string> travel_names;  // of the columns of `read`
};

// kNotFound with a CREATE TABLE that fits where the table is missing. kConfig, kUnsupported with column and way out
// where cold rows cannot be brought into it. Creates the table where the request says so (`created` gets its text).
Result<RestorePlan> PlanRestore(const RestoreContext& context, const RestoreRequest& request, std::string* created);

// Whether SQL (or a message about it) has the name as a word of its own. Pure.
bool MentionsName(const std::string& sql, const std::string& name);

}  // namespace calve::offload
