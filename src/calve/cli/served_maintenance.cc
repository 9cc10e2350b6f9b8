#include "calve/cli/served_maintenance.h"

#include <algorithm>
#include <exception>

#include "calve/cli/maintain_output.h"
#include "calve/cli/maintain_plan.h"
#include "calve/cli/session.h"

namespace calve::cli {
namespace {

// A stop loses what is not committed.
constexpr int64_t kCommitBytes = 1LL << 30;

Result<maintain::MaintenanceReport> MaintainServed(const config::Config& config, const config::TableConfig& table,
                                                   bool orphans, const Clock& clock, const StopToken& stop) {
  ARROW_ASSIGN_OR_RAISE(maintain::MaintenancePlan plan, PlanOf(MaintainFlags{}, config, table));
  if (!orphans) plan.orphans.reset();
  if (plan.compact) plan.compact->commit_bytes = kCommitBytes;
  ARROW_ASSIGN_OR_RAISE(const TargetSide side, OpenTargetSide(config, clock, stop, /*read_only=*/true));
  return maintain::MaintainTable(*side.catalog, *side.file_io, clock, stop, table.target, plan);
}

}  // namespace

void ServedMaintenance::Configure(const config::Config& config) {
  std::vector<std::string> names;
  for (const config::TableConfig& table : config.tables) names.push_back(table.name);
  metrics_.Configure(names);
  std::lock_guard lock(mutex_);
  config_ = std::make_shared<const config::Config>(config);
  schedule_.Configure(names, config.schedule.maintain_every_micros, clock_.Now());
}

std::optional<TimestampMicros> ServedMaintenance::NextAt() {
  std::lock_guard lock(mutex_);
  return schedule_.NextAt();
}

void ServedMaintenance::Work(const StopToken& stop) noexcept {
  try {
    while (!stop.stopped() && MaintainNext(stop)) {
    }
  } catch (const std::exception& error) {
    terminal_.Error(MakeError(ErrorKind::kFailed, fmt::format("maintenance: {}", error.what())));
  }
}

bool ServedMaintenance::MaintainNext(const StopToken& stop) {
  std::shared_ptr<const config::Config> config;
  std::optional<schedule::MaintenanceSchedule::Turn> turn;
  {
    std::lock_guard lock(mutex_);
    config = config_;
    turn = schedule_.Next(clock_.Now());
  }
  if (!turn) return false;
  const auto table = std::ranges::find(config->tables, turn->table, &config::TableConfig::name);
  const TimestampMicros began = clock_.Now();
  maintain::MaintenanceReport report;
  auto done = MaintainServed(*config, *table, turn->orphans, clock_, stop);
  if (done.ok()) {
    report = done.MoveValueUnsafe();
  } else {
    report.status = done.status();
  }
  const TimestampMicros ended = clock_.Now();
  if (!report.absent) metrics_.Add(turn->table, report, {began, ended});
  Told(turn->table, report, static_cast<double>(ended - began) / 1e6);
  std::lock_guard lock(mutex_);
  const bool stopped = KindOf(report.status) == ErrorKind::kStopped;
  schedule_.OnEnded(*turn, stopped ? schedule::MaintenanceEnd::kStopped : schedule::MaintenanceEnd::kDone, ended);
  return true;
}

void ServedMaintenance::Told(const std::string& table, const maintain::MaintenanceReport& report, double seconds) {
  const std::string summary = MaintenanceSummary(report);
  if (!summary.empty()) terminal_.Tell(MaintainedEvent(table, report, seconds));
  if (KindOf(report.status) == ErrorKind::kStopped) return;
  // Once: what a table refuses it refuses every time.
  const std::string error = report.status.ok() ? "" : MessageOf(report.status);
  if (!error.empty() && last_error_[table] != error) {
    Event event =
        Event::Of(EventKind::kMaintenanceFailed, WithContext(report.status, fmt::format("maintenance of {}", table)));
    terminal_.Tell(event.Set(EventField::kTable, table));
  }
  last_error_[table] = error;
}

}  // namespace calve::cli
