// What `calve maintain` and `calve serve` do to a table: by the options, by the configuration, or both.
#pragma once

#include <optional>
#include <string>

#include "calve/config/config.h"
#include "calve/maintain/table_maintenance.h"

namespace calve::cli {

struct MaintainFlags {
  bool compact = false, manifests = false, expire = false, statistics = false, orphans = false;
  std::string target_size, memory;
  std::optional<int64_t> min_files;
  std::string snapshots_older_than;
  std::optional<int64_t> keep_snapshots;
  std::string older_than;
  bool no_live_writers = false, dry_run = false;
};

// Of the options alone: kConfig where nothing is asked for, or a number makes no sense.
Result<maintain::MaintenancePlan> PlanOf(const MaintainFlags& flags, const config::CatalogConfig& catalog);
// What the configuration says of the table, unless the options ask for something; numbers of the options go first.
Result<maintain::MaintenancePlan> PlanOf(const MaintainFlags& flags, const config::Config& config,
                                         const config::TableConfig& table);

}  // namespace calve::cli
