#include "calve/schedule/serve_loop.h"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <limits>
#include <system_error>
#include <utility>

#include "calve/base/random.h"

namespace calve::schedule {

ServeLoop::ServeLoop(Cadence cadence, ServeOptions options, CycleFunction cycle, ReloadFunction reload, StopToken& stop,
                     const Clock& clock, Waiter& waiter, ServeObserver& observer)
    : schedule_(std::move(cadence), clock.Now(), options.last_cycle, options.retry),
      options_(options),
      cycle_(std::move(cycle)),
      reload_(std::move(reload)),
      stop_(stop),
      clock_(clock),
      waiter_(waiter),
      observer_(observer),
      listener_(
          stop, [&waiter] { waiter.Wake(); }, [this] { RequestReload(); }),
      idle_(options.once ? nullptr : options.idle, [&waiter] { waiter.Wake(); }) {}

ServeLoop::~ServeLoop() = default;

ServeOutcome ServeLoop::Run() {
  if (options_.once) schedule_.RequestRun();
  std::optional<DueCycle> announced;
  while (!stop_.stopped()) {
    TakeRequests();
    DueCycle due = schedule_.Next(clock_.Now());
    if (due.at > clock_.Now()) {
      if (due != announced) observer_.OnWaiting(due);
      announced = due;
      const std::optional<TimestampMicros> idle_at = idle_.BeginIfDue(clock_.Now());
      waiter_.WaitUntil(idle_at ? std::min(due.at, *idle_at) : due.at);
      continue;
    }
    announced = std::nullopt;
    // Both may go on at once: whose commit comes second tries again.
    idle_.EndWithin(options_.give_way_micros);
    if (!RunCycleOf(due)) return {ServeEnd::kDidNotStop, last_cycle_};
    if (options_.once && !schedule_.backlog()) return {ServeEnd::kOnceDone, last_cycle_};
  }
  if (!told_of_stop_) observer_.OnStopping(std::nullopt);
  if (!idle_.EndWithin(options_.stop_limit_micros)) return {ServeEnd::kDidNotStop, last_cycle_};
  return {ServeEnd::kStopped, last_cycle_};
}

void ServeLoop::RequestRun() {
  {
    std::lock_guard lock(mutex_);
    run_requested_ = true;
  }
  waiter_.Wake();
}

void ServeLoop::RequestReload() {
  {
    std::lock_guard lock(mutex_);
    reload_requested_ = true;
  }
  waiter_.Wake();
}

void ServeLoop::TakeRequests() {
  bool run = false, reload = false;
  {
    std::lock_guard lock(mutex_);
    std::swap(run, run_requested_);
    std::swap(reload, reload_requested_);
  }
  if (run) schedule_.RequestRun();
  if (reload) Reload();
}

void ServeLoop::Reload() {
  Result<Cadence> cadence = [&]() -> Result<Cadence> {
    try {
      return reload_();
    } catch (const std::exception& error) {
      return MakeError(ErrorKind::kFailed, fmt::format("reload: {}", error.what()));
    }
  }();
  if (!cadence.ok()) {
    observer_.OnReloadFailed(cadence.status());
    return;
  }
  schedule_.SetCadence(*cadence, clock_.Now());
  observer_.OnReloaded(schedule_.cadence());
}

bool ServeLoop::RunCycleOf(const DueCycle& due) {
  schedule_.OnStarted(clock_.Now());
  observer_.OnCycleStarted(due);
  StartCycle(due);
  if (!WaitForCycle()) return false;
  if (running_.joinable()) running_.join();
  std::optional<Result<CycleReport>> report;
  {
    std::lock_guard lock(mutex_);
    report.swap(report_);
  }
  schedule_.OnFinished(clock_.Now(), *report, RandomUnit());
  last_cycle_ = report->status();
  observer_.OnCycleFinished(due, *report);
  return true;
}

void ServeLoop::StartCycle(const DueCycle& due) {
  try {
    running_ = std::jthread([this, due] {
      Result<CycleReport> report = CallCycle(due);
      {
        std::lock_guard lock(mutex_);
        report_ = std::move(report);
      }
      waiter_.Wake();
    });
  } catch (const std::system_error& error) {
    std::lock_guard lock(mutex_);
    report_ = MakeError(ErrorKind::kRetry, fmt::format("no thread for the cycle: {}", error.what()));
  }
}

Result<CycleReport> ServeLoop::CallCycle(const DueCycle& due) const {
  try {
    return cycle_(due);
  } catch (const std::exception& error) {
    return MakeError(ErrorKind::kFailed, fmt::format("cycle: {}", error.what()));
  } catch (...) {
    return MakeError(ErrorKind::kFailed, "cycle: an unknown exception");
  }
}

bool ServeLoop::cycle_ended() {
  std::lock_guard lock(mutex_);
  return report_.has_value();
}

bool ServeLoop::WaitForCycle() {
  std::optional<TimestampMicros> limit;
  while (!cycle_ended()) {
    if (!limit && stop_.stopped()) {
      limit = clock_.Now() + options_.stop_limit_micros;
      observer_.OnStopping(limit);
      told_of_stop_ = true;
    }
    if (limit && clock_.Now() >= *limit) return false;
    waiter_.WaitUntil(limit.value_or(std::numeric_limits<TimestampMicros>::max()));
  }
  return true;
}

}  // namespace calve::schedule
