#include "calve/serve/maintenance_metrics.h"

namespace calve::serve {
namespace {

using prometheus::MetricType;

constexpr const char* kMaintenanceRuns = "offload_maintenance_total";
constexpr const char* kMaintenanceSeconds = "offload_maintenance_seconds_total";
constexpr const char* kMaintainedAt = "offload_maintenance_last_success_timestamp_seconds";
constexpr const char* kMaintenanceFailedAt = "offload_maintenance_last_failure_timestamp_seconds";
constexpr const char* kFilesCompacted = "offload_compacted_files_total";
constexpr const char* kBytesCompacted = "offload_compacted_bytes_total";
constexpr const char* kSnapshotsExpired = "offload_expired_snapshots_total";
constexpr const char* kFilesDeleted = "offload_maintenance_deleted_files_total";
constexpr const char* kBytesDeleted = "offload_maintenance_deleted_bytes_total";
constexpr const char* kTableSnapshots = "offload_table_snapshots";
constexpr const char* kTableManifests = "offload_table_manifests";
constexpr const char* kTableDataFiles = "offload_table_data_files";
constexpr const char* kTableDeleteFiles = "offload_table_delete_files";
constexpr const char* kTableBytes = "offload_table_bytes";

double SecondsAt(TimestampMicros time) { return static_cast<double>(time) / 1e6; }

}  // namespace

std::vector<MetricDescription> MaintenanceDescriptions() {
  return {
      {kMaintenanceRuns, MetricType::Counter, "Times that the table was maintained, by what became of it."},
      {kMaintenanceSeconds, MetricType::Counter, "Time that the table's maintenance took."},
      {kMaintainedAt, MetricType::Gauge, "When the table was last maintained to the end."},
      {kMaintenanceFailedAt, MetricType::Gauge, "When the table's maintenance failed last."},
      {kFilesCompacted, MetricType::Counter, "Small data files that were written anew as fewer."},
      {kBytesCompacted, MetricType::Counter, "Bytes of these files."},
      {kSnapshotsExpired, MetricType::Counter, "Snapshots that were ended."},
      {kFilesDeleted, MetricType::Counter, "Files deleted: of ended snapshots, and orphans."},
      {kBytesDeleted, MetricType::Counter, "Bytes of these files."},
      {kTableSnapshots, MetricType::Gauge, "Snapshots of the table when it was last maintained."},
      {kTableManifests, MetricType::Gauge, "Manifests of its current snapshot."},
      {kTableDataFiles, MetricType::Gauge, "Data files of its current snapshot."},
      {kTableDeleteFiles, MetricType::Gauge, "Delete files of its current snapshot."},
      {kTableBytes, MetricType::Gauge, "Bytes of both."},
  };
}

void AddMaintained(MetricSet& set, const std::string& table, const maintain::MaintenanceReport& report,
                   const MaintenanceTimes& times) {
  const Labels labels = {{"table", table}};
  const bool ok = report.status.ok(), stopped = KindOf(report.status) == ErrorKind::kStopped;
  for (const char* status : {"success", "failed"}) {
    const bool counts = !stopped && ok == (std::string_view(status) == "success");
    set.Add(kMaintenanceRuns, {{"table", table}, {"status", status}}, counts ? 1 : 0);
  }
  set.Add(kMaintenanceSeconds, labels, SecondsAt(times.ended - times.began));
  if (!stopped) set.Set(ok ? kMaintainedAt : kMaintenanceFailedAt, labels, SecondsAt(times.ended));
  int64_t files_compacted = 0, bytes_compacted = 0, expired = 0, files_deleted = 0, bytes_deleted = 0;
  if (report.compact) {
    files_compacted = report.compact->files_removed;
    bytes_compacted = report.compact->bytes_removed;
  }
  if (report.expire) {
    expired = static_cast<int64_t>(report.expire->plan.expired.size());
    files_deleted = report.expire->files_deleted;
    bytes_deleted = report.expire->bytes_deleted;
  }
  if (report.orphans) {
    files_deleted += report.orphans->files_deleted;
    bytes_deleted += report.orphans->bytes_deleted;
  }
  for (const auto& [name, value] : {std::pair(kFilesCompacted, files_compacted),
                                    {kBytesCompacted, bytes_compacted},
                                    {kSnapshotsExpired, expired},
                                    {kFilesDeleted, files_deleted},
                                    {kBytesDeleted, bytes_deleted}}) {
    set.Add(name, labels, static_cast<double>(value));
  }
  const auto& state = report.after ? report.after : report.before;
  if (!state) return;
  set.Set(kTableSnapshots, labels, static_cast<double>(state->snapshots));
  set.Set(kTableManifests, labels, static_cast<double>(state->manifests));
  set.Set(kTableDataFiles, labels, static_cast<double>(state->data_files));
  set.Set(kTableDeleteFiles, labels, static_cast<double>(state->delete_files));
  if (state->bytes) set.Set(kTableBytes, labels, static_cast<double>(*state->bytes));
}

void MaintenanceMetrics::Configure(const std::vector<std::string>& tables) {
  std::lock_guard lock(mutex_);
  set_.Keep("table", tables);
}

void MaintenanceMetrics::Add(const std::string& table, const maintain::MaintenanceReport& report,
                             const MaintenanceTimes& times) {
  std::lock_guard lock(mutex_);
  AddMaintained(set_, table, report, times);
}

MetricFamilies MaintenanceMetrics::Collect() const {
  std::lock_guard lock(mutex_);
  return set_.families();
}

}  // namespace calve::serve
