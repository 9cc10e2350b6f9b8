#include "calve/offload/retired_mark.h"

#include <algorithm>

#include "calve/base/random.h"
#include "calve/base/retry.h"
#include "calve/offload/retire_plan.h"

namespace calve::offload {
namespace {

constexpr RetryPolicy kPolicy{10, 100, 5'000, 120'000};

bool MayPass(const Status& status) {
  const ErrorKind kind = KindOf(status);
  return kind == ErrorKind::kConflict || kind == ErrorKind::kUnknownOutcome || kind == ErrorKind::kRetry;
}

}  // namespace

Result<TimestampMicros> MarkRetired(catalog::Catalog& catalog, const catalog::TableIdent& ident,
                                    const std::string& table_uuid, int64_t verified_snapshot, TimestampMicros to,
                                    const Sleep& sleep) {
  Status last;
  for (int attempt = 1; kPolicy.MayTry(attempt, 0); ++attempt) {
    if (attempt > 1) ARROW_RETURN_NOT_OK(sleep(kPolicy.WaitMs(attempt, RandomUnit())));
    auto table = catalog.LoadTable(ident);
    last = table.status();
    if (!last.ok() && !MayPass(last)) break;
    if (!last.ok()) continue;
    const iceberg::TableMetadata& metadata = table->metadata;
    ARROW_RETURN_NOT_OK(CheckColdSince(metadata, table_uuid, verified_snapshot));
    ARROW_ASSIGN_OR_RAISE(const auto before, ReadRetiredTo(metadata));
    if (before && *before >= to) return *before;
    const std::vector<iceberg::TableRequirement> requirements = {
        iceberg::AssertTableUuid{table_uuid}, iceberg::AssertRefSnapshotId{"main", metadata.current_snapshot_id}};
    const std::vector<iceberg::TableUpdate> updates = {
        iceberg::SetProperties{{{kRetiredProperty, FormatTimestamp(to)}}}};
    last = catalog.CommitTable(ident, requirements, updates).status();
    if (last.ok()) return to;
    if (!MayPass(last)) break;
  }
  return WithContext(last, fmt::format("setting {} of {}", kRetiredProperty, ident.ToString()));
}

}  // namespace calve::offload
