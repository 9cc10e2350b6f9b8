#include "calve/maintain/snapshot_expiry.h"

#include <algorithm>
#include <limits>
#include <map>

#include "calve/table/watermark_keys.h"

namespace calve::maintain {
namespace {

using iceberg::Snapshot;
using iceberg::SnapshotRef;
using iceberg::TableMetadata;

constexpr int64_t kFiveDaysMs = 5 * 86'400'000LL;

struct Retention {
  int64_t now_ms = 0;
  int64_t snapshot_age_max_ms = kFiveDaysMs;
  int64_t snapshots_min = 1;
  int64_t ref_age_max_ms = std::numeric_limits<int64_t>::max();

  int64_t Oldest(std::optional<int64_t> age_max_ms) const {
    return now_ms - std::max<int64_t>(0, age_max_ms.value_or(snapshot_age_max_ms));
  }
};

Result<Retention> RetentionOf(const TableMetadata& metadata, const ExpiryRule& rule) {
  Retention retention;
  retention.now_ms = rule.now_ms;
  ARROW_ASSIGN_OR_RAISE(retention.snapshot_age_max_ms,
                        metadata.IntProperty("history.expire.max-snapshot-age-ms", retention.snapshot_age_max_ms));
  ARROW_ASSIGN_OR_RAISE(retention.snapshots_min,
                        metadata.IntProperty("history.expire.min-snapshots-to-keep", retention.snapshots_min));
  ARROW_ASSIGN_OR_RAISE(retention.ref_age_max_ms,
                        metadata.IntProperty("history.expire.max-ref-age-ms", retention.ref_age_max_ms));
  if (rule.snapshot_age_max_ms) retention.snapshot_age_max_ms = *rule.snapshot_age_max_ms;
  if (rule.snapshots_min) retention.snapshots_min = *rule.snapshots_min;
  return retention;
}

// A snapshot and its ancestors as far as they are there, while `visit` says to go on. Bounded, should a chain of
// parents in damaged metadata lead back to itself.
template <typename Visit>
void Ancestors(const TableMetadata& metadata, const Snapshot* snapshot, Visit visit) {
  for (size_t i = 0; snapshot != nullptr && i < metadata.snapshots.size() && visit(*snapshot); ++i) {
    snapshot = metadata.ParentOf(*snapshot);
  }
}

bool RefStays(const TableMetadata& metadata, const std::string& name, const SnapshotRef& ref,
              const Retention& retention) {
  if (name == iceberg::kMainBranch || name == table::kWatermarkTag) return true;
  const Snapshot* snapshot = metadata.FindSnapshot(ref.snapshot_id);
  if (snapshot == nullptr) return false;
  return retention.now_ms - snapshot->timestamp_ms <= ref.max_ref_age_ms.value_or(retention.ref_age_max_ms);
}

void KeepBranch(const TableMetadata& metadata, const SnapshotRef& branch, const Retention& retention,
                std::set<int64_t>& kept) {
  const int64_t oldest_ms = retention.Oldest(branch.max_snapshot_age_ms);
  const int64_t count_min = branch.min_snapshots_to_keep.value_or(retention.snapshots_min);
  int64_t count = 0;
  Ancestors(metadata, metadata.FindSnapshot(branch.snapshot_id), [&](const Snapshot& ancestor) {
    if (count >= count_min && ancestor.timestamp_ms < oldest_ms) return false;
    kept.insert(ancestor.snapshot_id);
    ++count;
    return true;
  });
}

std::set<int64_t> SnapshotsForWatermark(const TableMetadata& metadata) {
  std::set<int64_t> needed;
  bool found = false;
  Ancestors(metadata, metadata.CurrentSnapshot(), [&](const Snapshot& ancestor) {
    needed.insert(ancestor.snapshot_id);
    found = ancestor.summary.contains(table::kWindowToKey);
    return !found;
  });
  if (!found && !metadata.properties.contains(table::kWatermarkProperty)) needed.clear();
  return needed;
}

}  // namespace

Result<ExpiryPlan> PlanExpiry(const TableMetadata& metadata, const ExpiryRule& rule) {
  ARROW_ASSIGN_OR_RAISE(const Retention retention, RetentionOf(metadata, rule));
  ExpiryPlan plan;
  std::set<int64_t> kept, on_refs;
  if (metadata.CurrentSnapshot() != nullptr) kept.insert(metadata.CurrentSnapshot()->snapshot_id);
  for (const auto& [name, ref] : metadata.refs) {
    if (!RefStays(metadata, name, ref, retention)) {
      plan.refs.push_back(name);
      continue;
    }
    kept.insert(ref.snapshot_id);
    on_refs.insert(ref.snapshot_id);
    if (!ref.is_branch) continue;
    KeepBranch(metadata, ref, retention, kept);
    Ancestors(metadata, metadata.FindSnapshot(ref.snapshot_id), [&](const Snapshot& ancestor) {
      on_refs.insert(ancestor.snapshot_id);
      return true;
    });
  }
  const std::set<int64_t> for_watermark = SnapshotsForWatermark(metadata);
  const int64_t oldest_ms = retention.Oldest(std::nullopt);
  for (const Snapshot& snapshot : metadata.snapshots) {
    const bool loose = !on_refs.contains(snapshot.snapshot_id) && snapshot.timestamp_ms >= oldest_ms;
    if (loose || kept.contains(snapshot.snapshot_id)) continue;
    if (for_watermark.contains(snapshot.snapshot_id)) {
      ++plan.kept_for_watermark;
    } else {
      plan.expired.insert(snapshot.snapshot_id);
    }
  }
  return plan;
}

}  // namespace calve::maintain
