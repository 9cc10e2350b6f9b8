#include "calve/maintain/table_maintenance.h"

namespace calve::maintain {
namespace {

Status Maintain(catalog::Catalog& catalog, storage::FileIO& file_io, const Clock& clock, const StopToken& stop,
                const catalog::TableIdent& ident, const MaintenancePlan& plan, const table::Sleep& sleep,
                MaintenanceReport& report) {
  const bool states = plan.compact || plan.manifests || plan.expire;
  if (states || plan.may_be_absent) {
    const auto table = catalog.LoadTable(ident);
    report.absent = plan.may_be_absent && KindOf(table.status()) == ErrorKind::kNotFound;
    if (report.absent) return Status::OK();
    ARROW_RETURN_NOT_OK(table.status());
    if (states) {
      ARROW_ASSIGN_OR_RAISE(report.before, DescribeTable(file_io, table->metadata));
    }
  }
  if (plan.compact) {
    CompactionRequest request = *plan.compact;
    request.progress = plan.progress;
    request.ident = ident;
    request.dry_run = plan.dry_run;
    ARROW_ASSIGN_OR_RAISE(report.compact, CompactFiles(catalog, file_io, clock, stop, request, sleep));
  }
  if (plan.manifests) {
    ARROW_ASSIGN_OR_RAISE(report.manifests,
                          RewriteManifests(catalog, file_io, clock, stop, ident, plan.dry_run, sleep, plan.progress));
  }
  if (plan.expire) {
    ExpiryRequest request = *plan.expire;
    request.progress = plan.progress;
    request.ident = ident;
    request.dry_run = plan.dry_run;
    ARROW_ASSIGN_OR_RAISE(report.expire, ExpireSnapshots(catalog, file_io, clock, stop, request, sleep));
    ARROW_RETURN_NOT_OK(report.expire->first_failure);
  }
  if (plan.statistics) {
    const StatisticsRequest request{ident, plan.dry_run};
    ARROW_ASSIGN_OR_RAISE(report.statistics, ComputeStatistics(catalog, file_io, clock, stop, request, sleep));
  }
  if (states) {
    ARROW_ASSIGN_OR_RAISE(const auto table, catalog.LoadTable(ident));
    ARROW_ASSIGN_OR_RAISE(report.after, DescribeTable(file_io, table.metadata));
  }
  if (plan.orphans) {
    OrphanRequest request = *plan.orphans;
    request.progress = plan.progress;
    request.ident = ident;
    request.dry_run = plan.dry_run;
    ARROW_ASSIGN_OR_RAISE(report.orphans, RemoveOrphans(catalog, file_io, clock, stop, request));
    ARROW_RETURN_NOT_OK(report.orphans->first_failure);
  }
  return Status::OK();
}

}  // namespace

MaintenanceReport MaintainTable(catalog::Catalog& catalog, storage::FileIO& file_io, const Clock& clock,
                                const StopToken& stop, const catalog::TableIdent& ident, const MaintenancePlan& plan,
                                const table::Sleep& sleep) {
  MaintenanceReport report;
  report.status = Maintain(catalog, file_io, clock, stop, ident, plan, sleep, report);
  return report;
}

}  // namespace calve::maintain
