// What the metadata becomes with a commit: pure, the same for every catalog that writes metadata files itself.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "calve/iceberg/table_update.h"

namespace calve::catalog {

struct CommitPlan {
  iceberg::TableMetadata metadata;
  // Older metadata files that the table forgets with this commit and wants deleted
  // (write.metadata.delete-after-commit.enabled), oldest first.
  std::vector<std::string> forgotten_files;
};

// Checks the requirements on `base`, applies the updates and enters `base_location` into the metadata log, which is cut
// to write.metadata.previous-versions-max. Where forgotten files are deleted, entries younger than `deletable_age_ms`
// stay in the log all the same. kConflict where a requirement does not hold. Works in place on a base that is moved in.
Result<CommitPlan> PlanCommit(iceberg::TableMetadata base, const std::string& base_location,
                              std::span<const iceberg::TableRequirement> requirements,
                              std::span<const iceberg::TableUpdate> updates, int64_t now_ms,
                              int64_t deletable_age_ms = 0);

// The ids of the snapshots that `updates` add. They are random, so metadata that holds one holds this commit, or another
// try of it.
std::vector<int64_t> AddedSnapshots(std::span<const iceberg::TableUpdate> updates);

}  // namespace calve::catalog
