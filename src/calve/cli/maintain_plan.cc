#include "calve/cli/maintain_plan.h"

#include <fmt/format.h>

#include "calve/cli/session.h"

namespace calve::cli {
namespace {

using config::MaintainConfig;

constexpr int64_t kMemoryBytes = 512 << 20;

// The configuration cannot name the other layer's constants.
static_assert(MaintainConfig{}.files_min == static_cast<int64_t>(maintain::kCompactFilesMin));
static_assert(MaintainConfig{}.orphan_age_micros == maintain::kOrphanAgeMs * 1000);

bool AsksForSomething(const MaintainFlags& flags) {
  return flags.compact || flags.manifests || flags.expire || flags.statistics || flags.orphans;
}

// Numbers of an option that is not asked for are a slip.
Status CheckBelong(const MaintainFlags& flags, const MaintainConfig& wanted) {
  if (!wanted.compact && (!flags.target_size.empty() || flags.min_files)) {
    return MakeError(ErrorKind::kConfig, "--target-size and --min-files say what --compact is to do", "Add --compact.");
  }
  if (!wanted.expire && (!flags.snapshots_older_than.empty() || flags.keep_snapshots)) {
    return MakeError(ErrorKind::kConfig, "--snapshots-older-than and --keep-snapshots say what --expire is to do",
                     "Add --expire.");
  }
  return Status::OK();
}

Status TakeCompaction(const MaintainFlags& flags, MaintainConfig& wanted) {
  if (!flags.target_size.empty()) {
    ARROW_ASSIGN_OR_RAISE(wanted.target_bytes, ParseBytes(flags.target_size));
    if (*wanted.target_bytes < 1) {
      return MakeError(ErrorKind::kConfig, "--target-size 0: files must have some size", "Say 512MB, or leave it out.");
    }
  }
  if (flags.min_files && *flags.min_files < 2) {
    return MakeError(ErrorKind::kConfig,
                     fmt::format("--min-files {}: one file alone is not written anew", *flags.min_files),
                     "Say 2 or more.");
  }
  wanted.files_min = flags.min_files.value_or(wanted.files_min);
  return Status::OK();
}

Status TakeExpiry(const MaintainFlags& flags, MaintainConfig& wanted) {
  if (flags.keep_snapshots && *flags.keep_snapshots < 1) {
    return MakeError(ErrorKind::kConfig, fmt::format("--keep-snapshots {}: one is always kept", *flags.keep_snapshots),
                     "Say 1 or more.");
  }
  if (flags.keep_snapshots) wanted.keep_snapshots = flags.keep_snapshots;
  if (!flags.snapshots_older_than.empty()) {
    ARROW_ASSIGN_OR_RAISE(wanted.snapshot_age_micros, ParseDuration(flags.snapshots_older_than));
  }
  return Status::OK();
}

Status TakeOrphans(const MaintainFlags& flags, MaintainConfig& wanted) {
  if (flags.older_than.empty()) return Status::OK();
  ARROW_ASSIGN_OR_RAISE(wanted.orphan_age_micros, ParseDuration(flags.older_than));
  if (wanted.orphan_age_micros / 1000 < maintain::kOrphanAgeMinMs && !flags.no_live_writers) {
    return MakeError(ErrorKind::kConfig,
                     fmt::format("--older-than {} is less than a day: files of a commit under way could be removed",
                                 flags.older_than),
                     "Choose 24h or more, or add --no-live-writers if nothing else writes to the table now.");
  }
  return Status::OK();
}

Result<maintain::MaintenancePlan> PlanOf(const MaintainFlags& flags, const config::CatalogConfig& catalog,
                                         MaintainConfig wanted, int64_t memory_bytes) {
  if (AsksForSomething(flags)) {
    wanted.compact = flags.compact;
    wanted.manifests = flags.manifests;
    wanted.expire = flags.expire;
    wanted.statistics = flags.statistics;
    wanted.orphans = flags.orphans;
  }
  ARROW_RETURN_NOT_OK(CheckBelong(flags, wanted));
  ARROW_RETURN_NOT_OK(TakeCompaction(flags, wanted));
  ARROW_RETURN_NOT_OK(TakeExpiry(flags, wanted));
  ARROW_RETURN_NOT_OK(TakeOrphans(flags, wanted));
  if (!flags.memory.empty()) {
    ARROW_ASSIGN_OR_RAISE(memory_bytes, ParseBytes(flags.memory));
  }
  maintain::MaintenancePlan plan;
  plan.dry_run = flags.dry_run;
  plan.manifests = wanted.manifests;
  plan.statistics = wanted.statistics;
  if (wanted.compact) {
    plan.compact.emplace();
    plan.compact->target_bytes = wanted.target_bytes;
    plan.compact->files_min = static_cast<size_t>(wanted.files_min);
    plan.compact->memory_bytes = memory_bytes;
  }
  if (wanted.expire) {
    plan.expire.emplace();
    plan.expire->snapshots_min = wanted.keep_snapshots;
    if (wanted.snapshot_age_micros) plan.expire->snapshot_age_max_ms = *wanted.snapshot_age_micros / 1000;
  }
  if (wanted.orphans) {
    plan.orphans.emplace();
    plan.orphans->age_min_ms = wanted.orphan_age_micros / 1000;
    plan.orphans->warehouse = WarehouseLocationOf(catalog);
  }
  return plan;
}

}  // namespace

Result<maintain::MaintenancePlan> PlanOf(const MaintainFlags& flags, const config::CatalogConfig& catalog) {
  if (!AsksForSomething(flags)) {
    return MakeError(ErrorKind::kConfig, "nothing to do was named",
                     "Say what to do: --compact, --manifests, --expire, --statistics, --orphans.");
  }
  return PlanOf(flags, catalog, MaintainConfig{}, kMemoryBytes);
}

Result<maintain::MaintenancePlan> PlanOf(const MaintainFlags& flags, const config::Config& config,
                                         const config::TableConfig& table) {
  ARROW_ASSIGN_OR_RAISE(auto plan, PlanOf(flags, config.catalog, table.maintain, table.memory_bytes));
  plan.may_be_absent = true;
  return plan;
}

}  // namespace calve::cli
