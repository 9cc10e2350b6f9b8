#include "calve/maintain/expire_snapshots.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "calve/base/random.h"
#include "calve/maintain/work_meter.h"

namespace calve::maintain {
namespace {

using catalog::LoadedTable;
using iceberg::TableMetadata;

Status CheckMayExpire(const TableMetadata& metadata) {
  ARROW_RETURN_NOT_OK(CheckMayCollect(metadata));
  if (metadata.format_version <= 2) return Status::OK();
  return MakeError(ErrorKind::kUnsupported,
                   fmt::format("calve does not change tables of format version {}", metadata.format_version),
                   "Expire its snapshots with the engine that writes it.");
}

// Nothing may have come to point at a snapshot since: the catalog takes the commit only where every ref is as it was.
std::vector<iceberg::TableRequirement> RequirementsOf(const TableMetadata& metadata) {
  std::vector<iceberg::TableRequirement> requirements;
  if (!metadata.table_uuid.empty()) requirements.push_back(iceberg::AssertTableUuid{metadata.table_uuid});
  for (const auto& [name, ref] : metadata.refs) {
    requirements.push_back(iceberg::AssertRefSnapshotId{name, ref.snapshot_id});
  }
  return requirements;
}

// Snapshots one by one: servers of older Iceberg versions take one for each update.
std::vector<iceberg::TableUpdate> UpdatesOf(const ExpiryPlan& plan) {
  std::vector<iceberg::TableUpdate> updates;
  for (const std::string& name : plan.refs) updates.push_back(iceberg::RemoveSnapshotRef{name});
  for (const int64_t id : plan.expired) updates.push_back(iceberg::RemoveSnapshots{{id}});
  return updates;
}

bool IsIn(const ExpiryPlan& plan, const TableMetadata& metadata) {
  return std::none_of(plan.expired.begin(), plan.expired.end(),
                      [&](int64_t id) { return metadata.FindSnapshot(id) != nullptr; }) &&
         std::none_of(plan.refs.begin(), plan.refs.end(),
                      [&](const std::string& name) { return metadata.refs.contains(name); });
}

class Expiry {
 public:
  Expiry(catalog::Catalog& catalog, storage::FileIO& file_io, const Clock& clock, const StopToken& stop,
         const ExpiryRequest& request, const table::Sleep& sleep)
      : catalog_(catalog), file_io_(file_io), clock_(clock), stop_(stop), request_(request), sleep_(sleep) {}

  Result<ExpiryReport> Run() {
    const TimestampMicros began = clock_.Now();
    RetryPolicy policy;
    Status last;
    for (int attempt = 1; attempt == 1 || policy.MayTry(attempt, (clock_.Now() - began) / 1000); ++attempt) {
      if (attempt > 1) ARROW_RETURN_NOT_OK(sleep_(policy.WaitMs(attempt, RandomUnit())));
      ARROW_ASSIGN_OR_RAISE(const LoadedTable table, catalog_.LoadTable(request_.ident));
      ARROW_RETURN_NOT_OK(CheckMayExpire(table.metadata));
      ARROW_ASSIGN_OR_RAISE(policy, table::CommitRetryPolicyOf(table.metadata));
      ExpiredFiles files(file_io_, stop_);
      ARROW_ASSIGN_OR_RAISE(ExpiryReport report, Plan(table.metadata, files));
      if (report.plan.empty() || request_.dry_run) return Finish(std::move(report), files, /*remove=*/false);
      ARROW_RETURN_NOT_OK(stop_.Check());
      auto committed = catalog_.CommitTable(request_.ident, RequirementsOf(table.metadata), UpdatesOf(report.plan));
      last = committed.status();
      if (KindOf(last) == ErrorKind::kUnknownOutcome) {
        committed = LookFor(report.plan, table.metadata, last);
        ARROW_RETURN_NOT_OK(committed.status());
      }
      if (committed.ok()) return Settle(std::move(report), files, table.metadata, committed->metadata);
      if (KindOf(last) != ErrorKind::kConflict && KindOf(last) != ErrorKind::kRetry) break;
    }
    return WithContext(last, "expiring snapshots of " + request_.ident.ToString());
  }

 private:
  Result<ExpiryReport> Plan(const TableMetadata& metadata, ExpiredFiles& files) {
    ExpiryReport report;
    report.snapshots_before = static_cast<int64_t>(metadata.snapshots.size());
    const ExpiryRule rule{clock_.Now() / 1000, request_.snapshot_age_max_ms, request_.snapshots_min};
    ARROW_ASSIGN_OR_RAISE(report.plan, PlanExpiry(metadata, rule));
    if (!report.plan.expired.empty()) ARROW_RETURN_NOT_OK(files.Find(metadata, report.plan.expired));
    return report;
  }

  // The table without the snapshots, whoever removed them; kUnknownOutcome while they are there: the commit may still
  // arrive.
  Result<LoadedTable> LookFor(const ExpiryPlan& plan, const TableMetadata& planned, const Status& unknown) {
    ARROW_ASSIGN_OR_RAISE(const RetryPolicy policy, table::CommitRetryPolicyOf(planned));
    for (int attempt = 2; attempt <= std::min(policy.attempts_max, 4); ++attempt) {
      ARROW_RETURN_NOT_OK(sleep_(policy.WaitMs(attempt, RandomUnit())));
      auto table = catalog_.LoadTable(request_.ident);
      if (table.ok() && table->metadata.table_uuid == planned.table_uuid && IsIn(plan, table->metadata)) return table;
    }
    return MakeError(ErrorKind::kUnknownOutcome,
                     fmt::format("it is not known whether the snapshots of {} are expired: {}",
                                 request_.ident.ToString(), MessageOf(unknown)),
                     "Run again. No file was deleted; if the commit arrives late, --orphans finds what it leaves.");
  }

  Result<ExpiryReport> Settle(ExpiryReport report, ExpiredFiles& files, const TableMetadata& before,
                              const TableMetadata& after) {
    // A catalog that does not do what it was told says so here: then its snapshots need their files.
    if (!IsIn(report.plan, after)) {
      return MakeError(ErrorKind::kFailed,
                       fmt::format("{} still shows snapshots of {} that were to be expired; no file was deleted",
                                   catalog_.name(), request_.ident.ToString()));
    }
    ARROW_RETURN_NOT_OK(files.KeepNew(before, after));
    return Finish(std::move(report), files, /*remove=*/true);
  }

  Result<ExpiryReport> Finish(ExpiryReport report, const ExpiredFiles& files, bool remove) {
    report.files = files.InOrder();
    report.notes = files.notes();
    WorkMeter meter(remove ? request_.progress : nullptr, "files");
    meter.Begin("deleting", static_cast<int64_t>(report.files.size()));
    for (size_t i = 0; remove && i < report.files.size(); ++i) {
      const ExpiredFile& file = report.files[i];
      if (stop_.stopped()) {
        report.first_failure =
            MakeError(ErrorKind::kStopped, "stopped before all files of expired snapshots were deleted",
                      "--orphans finds those that are left.");
        break;
      }
      const Status status = file_io_.Delete(file.location);
      meter.Add(1);
      if (status.ok()) {
        ++report.files_deleted;
        report.bytes_deleted += file.bytes;
      } else if (report.first_failure.ok()) {
        report.first_failure = WithContext(status, file.location);
      }
    }
    return report;
  }

  catalog::Catalog& catalog_;
  storage::FileIO& file_io_;
  const Clock& clock_;
  const StopToken& stop_;
  const ExpiryRequest& request_;
  const table::Sleep& sleep_;
};

}  // namespace

Status CheckMayCollect(const TableMetadata& metadata) {
  ARROW_ASSIGN_OR_RAISE(const bool enabled, metadata.BoolProperty("gc.enabled", true));
  if (enabled) return Status::OK();
  return MakeError(ErrorKind::kConfig, "the table has gc.enabled=false: its files may belong to other tables as well",
                   "Set gc.enabled to true if they do not.");
}

Result<ExpiryReport> ExpireSnapshots(catalog::Catalog& catalog, storage::FileIO& file_io, const Clock& clock,
                                     const StopToken& stop, const ExpiryRequest& request, const table::Sleep& sleep) {
  return Expiry(catalog, file_io, clock, stop, request, sleep).Run();
}

}  // namespace calve::maintain
