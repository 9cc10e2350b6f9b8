// What `calve serve` tells a service manager of its loop and its cycles; stands between them and who else listens.
#pragma once

#include <set>
#include <string>

#include "calve/cli/service_notify.h"
#include "calve/cli/terminal.h"
#include "calve/cycle/passing_reporter.h"
#include "calve/schedule/serve_loop.h"

namespace calve::cli {

// Says READY with the first thing that the loop says: by then signals, the configuration and the listening socket are
// in place.
class ServiceObserver : public schedule::ServeObserver {
 public:
  // All must outlive it.
  ServiceObserver(schedule::ServeObserver& inner, ServiceNotifier& notifier, const Clock& clock, Terminal& terminal)
      : inner_(inner), notifier_(notifier), clock_(clock), terminal_(terminal) {}

  void OnWaiting(const schedule::DueCycle& next) override;
  void OnCycleStarted(const schedule::DueCycle& cycle) override;
  void OnCycleFinished(const schedule::DueCycle& cycle, const Result<schedule::CycleReport>& report) override;
  void OnReloaded(const schedule::Cadence& cadence) override;
  void OnReloadFailed(const Status& status) override;
  void OnStopping(std::optional<TimestampMicros> limit) override;

 private:
  void Say(const std::string& status);

  schedule::ServeObserver& inner_;
  ServiceNotifier& notifier_;
  const Clock& clock_;
  Terminal& terminal_;  // hears where the manager cannot be reached
  bool ready_ = false;
  std::string remark_;  // of the last cycle or reload, where it failed
};

// Of a cycle's tables: those that are worked on.
class ServiceReporter : public cycle::PassingReporter {
 public:
  // All must outlive it.
  ServiceReporter(cycle::CycleReporter& inner, const config::Config& config, ServiceNotifier& notifier)
      : PassingReporter(inner, config.tables.size()), config_(config), notifier_(notifier) {}

  void OnStarted(size_t table) override;
  void OnEnded(size_t table, const cycle::TableReport& report) override;

 private:
  void Say();

  const config::Config& config_;
  ServiceNotifier& notifier_;
  std::set<size_t> running_;
  size_t ended_ = 0;
};

}  // namespace calve::cli
