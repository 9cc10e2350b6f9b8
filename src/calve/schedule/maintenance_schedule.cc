#include "calve/schedule/maintenance_schedule.h"

#include <algorithm>

namespace calve::schedule {

void MaintenanceSchedule::Configure(const std::vector<std::string>& tables, std::optional<int64_t> every_micros,
                                    TimestampMicros now) {
  every_ = every_micros;
  std::map<std::string, Due> next;
  for (const std::string& table : tables) {
    const auto known = tables_.find(table);
    Due due = known == tables_.end() ? Due{now, now} : known->second;
    // A shorter interval counts from now on, and so does a clock that was set back.
    if (every_) due.at = std::min(due.at, now + *every_);
    due.orphans_at = std::min(due.orphans_at, now + kOrphansEvery);
    next.emplace(table, due);
  }
  tables_ = std::move(next);
}

std::optional<TimestampMicros> MaintenanceSchedule::NextAt() const {
  if (!every_ || tables_.empty()) return std::nullopt;
  return std::ranges::min_element(tables_, {}, [](const auto& table) { return table.second.at; })->second.at;
}

std::optional<MaintenanceSchedule::Turn> MaintenanceSchedule::Next(TimestampMicros now) const {
  if (!every_) return std::nullopt;
  const auto first = std::ranges::min_element(tables_, {}, [](const auto& table) { return table.second.at; });
  if (first == tables_.end() || first->second.at > now) return std::nullopt;
  return Turn{first->first, first->second.orphans_at <= now};
}

void MaintenanceSchedule::OnEnded(const Turn& turn, MaintenanceEnd end, TimestampMicros now) {
  const auto found = tables_.find(turn.table);
  if (found == tables_.end() || !every_) return;  // the configuration was read anew meanwhile
  found->second.at = end == MaintenanceEnd::kStopped ? now : now + *every_;
  if (turn.orphans && end == MaintenanceEnd::kDone) found->second.orphans_at = now + kOrphansEvery;
}

}  // namespace calve::schedule
