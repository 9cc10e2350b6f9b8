// What the source's user may do, beside what the configuration has it do: docs/clickhouse-rights.md as code.
#pragma once

#include <string>
#include <vector>

#include "calve/doctor/doctor.h"
#include "calve/source/introspection.h"

namespace calve::doctor {

struct NeededRight {
  std::string privilege;  // as CHECK GRANT and GRANT take it: "ALTER DELETE ON `k2`.`trades`"
  std::string without;    // what does not work without
  Level level = Level::kWarning;
  bool writes = false;      // a read-only user has no use of it
  std::string before = "";  // how servers that do not understand `privilege` spell it; empty: alike
};

// `retires`: parts are to be dropped by `calve retire`. Pure.
std::vector<NeededRight> RightsNeeded(const source::SourceTable& described, const config::TableConfig& table,
                                      bool retires);

// Asks for each with CHECK GRANT, and what the user's profile forbids; one finding for each that is missing. A server
// that has no CHECK GRANT is said so, once, where a right is needed that no dry run tries.
std::vector<Finding> CheckRights(const std::string& about, source::Source& source,
                                 const std::vector<NeededRight>& rights);

// A warning where a row policy (or a filter in users.xml) hides rows from the user.
std::vector<Finding> CheckRowPolicies(const std::string& about, source::Source& source,
                                      const source::SourceTable& described);

}  // namespace calve::doctor
