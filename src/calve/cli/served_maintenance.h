// The maintenance that `calve serve` does between its cycles.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "calve/cli/terminal.h"
#include "calve/config/config.h"
#include "calve/schedule/idle_work.h"
#include "calve/schedule/maintenance_schedule.h"
#include "calve/serve/maintenance_metrics.h"

namespace calve::cli {

class ServedMaintenance : public schedule::IdleWork {
 public:
  // Both must outlive it.
  ServedMaintenance(const Clock& clock, Terminal& terminal) : clock_(clock), terminal_(terminal) {}

  // By this configuration from the next table on.
  void Configure(const config::Config& config);

  std::optional<TimestampMicros> NextAt() override;
  void Work(const StopToken& stop) noexcept override;

  const serve::MaintenanceMetrics& metrics() const { return metrics_; }

 private:
  // The next table's turn; false: none is due, or everything failed as a whole.
  bool MaintainNext(const StopToken& stop);
  void Told(const std::string& table, const maintain::MaintenanceReport& report, double seconds);

  const Clock& clock_;
  Terminal& terminal_;
  serve::MaintenanceMetrics metrics_;
  std::map<std::string, std::string> last_error_;  // of each table; of the thread that works

  std::mutex mutex_;
  // protected by mutex_
  std::shared_ptr<const config::Config> config_;
  schedule::MaintenanceSchedule schedule_;
};

}  // namespace calve::cli
