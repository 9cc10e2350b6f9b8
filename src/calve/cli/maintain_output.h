// What `calve maintain` tells of each thing it did: a member of the JSON object, a line for people.
#pragma once

#include <string>
#include <vector>

#include "calve/cli/json_output.h"
#include "calve/maintain/compact_files.h"
#include "calve/maintain/expire_snapshots.h"
#include "calve/maintain/orphan_removal.h"
#include "calve/maintain/rewrite_manifests.h"
#include "calve/maintain/table_state.h"

namespace calve::cli {

struct MaintainOutputOptions {
  bool dry_run = false;
  bool list_files = false;
  std::string orphan_age;  // as it was given
};

// Lines that belong together: what was done, and the files if they are to be listed.
using Lines = std::vector<std::string>;

Json StateJson(const maintain::TableState& state);
std::string StateText(const maintain::TableState& state);

// Adds its members to the table's object.
void PutOrphans(const maintain::OrphanReport& report, Json& json);
Lines OrphansText(const maintain::OrphanReport& report, const MaintainOutputOptions& options);

Json CompactionJson(const maintain::CompactionReport& report);
std::string CompactionText(const maintain::CompactionReport& report, const MaintainOutputOptions& options);

Json ManifestsJson(const maintain::ManifestReport& report);
std::string ManifestsText(const maintain::ManifestReport& report, const MaintainOutputOptions& options);

Json ExpiryJson(const maintain::ExpiryReport& report);
Lines ExpiryText(const maintain::ExpiryReport& report, const MaintainOutputOptions& options);

}  // namespace calve::cli
