#include "calve/cli/service_observer.h"

#include <fmt/format.h>

namespace calve::cli {
namespace {

// To the second: it is read by people, in `systemctl status`.
std::string ShownTime(TimestampMicros time) { return FormatTimestamp(time).substr(0, 19) + "Z"; }

}  // namespace

void ServiceObserver::Say(const std::string& status) {
  const std::string text = remark_.empty() ? status : fmt::format("{}; {}", status, remark_);
  if (ready_) return notifier_.Status(text);
  ready_ = true;
  notifier_.Ready(text);
  if (const Status failure = notifier_.failure(); !failure.ok()) terminal_.Warn(MessageOf(failure));
}

void ServiceObserver::OnWaiting(const schedule::DueCycle& next) {
  inner_.OnWaiting(next);
  Say(fmt::format("next cycle at {} ({})", ShownTime(next.at), schedule::CycleCauseName(next.cause)));
}

void ServiceObserver::OnCycleStarted(const schedule::DueCycle& cycle) {
  inner_.OnCycleStarted(cycle);
  Say(fmt::format("cycle since {} ({})", ShownTime(clock_.Now()), schedule::CycleCauseName(cycle.cause)));
}

void ServiceObserver::OnCycleFinished(const schedule::DueCycle& cycle, const Result<schedule::CycleReport>& report) {
  inner_.OnCycleFinished(cycle, report);
  remark_ = report.ok() ? "" : "the last cycle failed as a whole: " + MessageOf(report.status());
}

void ServiceObserver::OnReloaded(const schedule::Cadence& cadence) {
  inner_.OnReloaded(cadence);
  remark_.clear();
  ready_ = true;
  notifier_.Ready("the configuration was read again: " + cadence.ToString());
}

void ServiceObserver::OnReloadFailed(const Status& status) {
  inner_.OnReloadFailed(status);
  remark_ = "the configuration was not read again: " + MessageOf(status);
  ready_ = true;
  notifier_.Ready(remark_);
}

void ServiceObserver::OnStopping(std::optional<TimestampMicros> limit) {
  inner_.OnStopping(limit);
  if (!limit) return notifier_.Stopping("stopping", std::nullopt);
  notifier_.Stopping(fmt::format("stopping; the cycle that runs has until {}", ShownTime(*limit)),
                     std::max<int64_t>(0, *limit - clock_.Now()));
}

void ServiceReporter::OnStarted(size_t table) {
  PassingReporter::OnStarted(table);
  running_.insert(table);
  Say();
}

void ServiceReporter::OnEnded(size_t table, const cycle::TableReport& report) {
  PassingReporter::OnEnded(table, report);
  running_.erase(table);
  ++ended_;
  Say();
}

void ServiceReporter::Say() {
  std::string names;
  for (const size_t table : running_) names += (names.empty() ? ": " : ", ") + config_.tables[table].name;
  notifier_.Status(fmt::format("cycle: {} of {} tables done{}", ended_, config_.tables.size(), names));
}

}  // namespace calve::cli
