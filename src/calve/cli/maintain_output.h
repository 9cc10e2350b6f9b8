// What `calve maintain` tells of each thing it did: a member of the JSON object, a line for people.
#pragma once

#include <string>
#include <vector>

#include "calve/base/event.h"
#include "calve/cli/json_output.h"
#include "calve/maintain/table_maintenance.h"

namespace calve::cli {

struct MaintainOutputOptions {
  bool dry_run = false;
  bool list_files = false;
  std::string orphan_age;  // as it was given
};

// Lines that belong together: what was done, and the files if they are to be listed.
using Lines = std::vector<std::string>;

// Of all that was begun, in the order of what was done.
Json MaintenanceJson(const maintain::MaintenanceReport& report);
Lines MaintenanceText(const maintain::MaintenanceReport& report, const MaintainOutputOptions& options);
std::vector<std::string> NotesOf(const maintain::MaintenanceReport& report);
// What was done, on one line; empty: nothing was worth it.
std::string MaintenanceSummary(const maintain::MaintenanceReport& report);
// The same for the log.
Event MaintainedEvent(const std::string& table, const maintain::MaintenanceReport& report, double seconds);

}  // namespace calve::cli
