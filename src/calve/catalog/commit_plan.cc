#include "calve/catalog/commit_plan.h"

#include <algorithm>
#include <set>
#include <utility>

namespace calve::catalog {
namespace {

constexpr const char* kPreviousVersionsMax = "write.metadata.previous-versions-max";
constexpr const char* kDeleteAfterCommit = "write.metadata.delete-after-commit.enabled";
constexpr int64_t kPreviousVersionsMaxDefault = 100;

}  // namespace

Result<CommitPlan> PlanCommit(iceberg::TableMetadata base, const std::string& base_location,
                              std::span<const iceberg::TableRequirement> requirements,
                              std::span<const iceberg::TableUpdate> updates, int64_t now_ms, int64_t deletable_age_ms) {
  ARROW_RETURN_NOT_OK(iceberg::CheckRequirements(&base, requirements));
  const int64_t base_updated_ms = base.last_updated_ms;
  CommitPlan plan;
  ARROW_ASSIGN_OR_RAISE(plan.metadata, iceberg::ApplyUpdates(std::move(base), updates, now_ms));
  ARROW_ASSIGN_OR_RAISE(int64_t previous_max,
                        plan.metadata.IntProperty(kPreviousVersionsMax, kPreviousVersionsMaxDefault));
  ARROW_ASSIGN_OR_RAISE(bool delete_forgotten, plan.metadata.BoolProperty(kDeleteAfterCommit, false));

  // At least one, as in Java: the newest entry is how others find the way back.
  size_t keep = static_cast<size_t>(std::max<int64_t>(1, previous_max));
  std::vector<iceberg::MetadataLogEntry>& log = plan.metadata.metadata_log;
  log.push_back({base_updated_ms, base_location});
  size_t forgotten = log.size() > keep ? log.size() - keep : 0;
  if (delete_forgotten) {
    const auto young = [&](const auto& entry) { return entry.timestamp_ms > now_ms - deletable_age_ms; };
    const auto first_young = std::find_if(log.begin(), log.end(), young);
    if (deletable_age_ms > 0) forgotten = std::min(forgotten, static_cast<size_t>(first_young - log.begin()));
    std::set<std::string> kept;
    for (size_t i = forgotten; i < log.size(); ++i) kept.insert(log[i].metadata_file);
    for (size_t i = 0; i < forgotten; ++i) {
      if (!kept.contains(log[i].metadata_file)) plan.forgotten_files.push_back(log[i].metadata_file);
    }
  }
  log.erase(log.begin(), log.begin() + static_cast<std::ptrdiff_t>(forgotten));
  return plan;
}

std::vector<int64_t> AddedSnapshots(std::span<const iceberg::TableUpdate> updates) {
  std::vector<int64_t> ids;
  for (const iceberg::TableUpdate& update : updates) {
    if (const auto* add = std::get_if<iceberg::AddSnapshot>(&update)) ids.push_back(add->snapshot.snapshot_id);
  }
  return ids;
}

}  // namespace calve::catalog
