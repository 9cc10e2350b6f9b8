// What maintenance did, as metrics (docs/metrics.md): of `calve serve` between its cycles, and of `calve maintain`.
#pragma once

#include <mutex>
#include <string>
#include <vector>

#include "calve/base/time.h"
#include "calve/maintain/table_maintenance.h"
#include "calve/serve/metric_set.h"

namespace calve::serve {

std::vector<MetricDescription> MaintenanceDescriptions();

struct MaintenanceTimes {
  TimestampMicros began = 0, ended = 0;
};
// Of a set of these descriptions. Of one that was stopped the things that were done to the end count, and no run.
void AddMaintained(MetricSet& set, const std::string& table, const maintain::MaintenanceReport& report,
                   const MaintenanceTimes& times);

// Those of a process that goes on. Thread-safe.
class MaintenanceMetrics {
 public:
  MaintenanceMetrics() : set_(MaintenanceDescriptions()) {}

  // These tables from now on; others are forgotten.
  void Configure(const std::vector<std::string>& tables);
  void Add(const std::string& table, const maintain::MaintenanceReport& report, const MaintenanceTimes& times);
  MetricFamilies Collect() const;

 private:
  mutable std::mutex mutex_;
  MetricSet set_;  // protected by mutex_
};

}  // namespace calve::serve
