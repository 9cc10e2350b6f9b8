// Which snapshots and refs of a table have had their time. Spec: "Snapshot Retention Policy"; Java's RemoveSnapshots.
// Pure: the metadata, the rule.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "calve/iceberg/table_metadata.h"

namespace calve::maintain {

struct ExpiryRule {
  int64_t now_ms = 0;
  // In place of the table's history.expire.max-snapshot-age-ms (5 days) and history.expire.min-snapshots-to-keep (1).
  // What a branch says of itself comes first.
  std::optional<int64_t> snapshot_age_max_ms = std::nullopt;
  std::optional<int64_t> snapshots_min = std::nullopt;
};

struct ExpiryPlan {
  std::set<int64_t> expired;
  std::vector<std::string> refs;   // that are older than they may be
  int64_t kept_for_watermark = 0;  // snapshots that the rule alone would have expired

  bool empty() const { return expired.empty() && refs.empty(); }
};

// Kept are:
//   main; other refs while the snapshot they point to is no older than their max-ref-age-ms (else the table's
//   history.expire.max-ref-age-ms; else for ever);
//   of each branch the newest min-snapshots-to-keep, and what follows them back to the first one that is too old;
//   snapshots that are on no branch or tag while they are younger than the table's limit;
//   what the watermark is read from (offload/watermark.h): the tag `calve`, and main from its tip back to the newest
//   snapshot of calve's; where there is none on main and the property tells of one, main as it is, since where its
//   history ends decides what the property means.
// kConfig where a property does not parse.
Result<ExpiryPlan> PlanExpiry(const iceberg::TableMetadata& metadata, const ExpiryRule& rule);

}  // namespace calve::maintain
