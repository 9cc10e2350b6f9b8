// What `calve serve` remembers of the tables from one cycle to the next: failures, who is put aside, who has a backlog.
// Pure; not thread-safe.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>

#include "calve/cycle/cycle.h"
#include "calve/schedule/cycle_schedule.h"
#include "calve/schedule/table_health.h"

namespace calve::cycle {

class ServedTables {
 public:
  explicit ServedTables(const config::RetryConfig& retry = {}) { Forget(retry); }

  // Which tables the cycle is for, and which of them are left out. All of them for a scheduled one; those with a
  // backlog or those that are to be tried again, with the tables after them, for one between. Tables that the
  // configuration lacks are forgotten.
  CycleOptions OptionsFor(const config::Config& config, schedule::CycleCause cause, TimestampMicros now);

  // These have no turn and ask for none, until they are no longer among them; the tables after them go on by their
  // watermarks as they stand.
  void SetPaused(std::set<std::string> names) { paused_ = std::move(names); }

  // Null where nothing is known of it.
  const schedule::TableHealth* HealthOf(const std::string& name) const;

  // `random` gives numbers in [0, 1).
  schedule::CycleReport Learn(const CycleReport& report, TimestampMicros now, const std::function<double()>& random);

  // A configuration was read anew: every table is tried, by its say about retries.
  void Forget(const config::RetryConfig& retry);

 private:
  struct Known {
    std::optional<TimestampMicros> RetryAt() const { return waits ? std::nullopt : health.RetryAt(); }

    schedule::TableHealth health;
    bool backlog = false;
    // It was called, and did nothing: another calve works on it, or what it comes after has no watermark. To try it
    // again at once would only be to ask again, and again: the next ordinary cycle does.
    bool waits = false;
  };
  // The tables that `wanted` holds for, with all that come after them.
  std::vector<size_t> WithDependents(const config::Config& config,
                                     const std::function<bool(const Known&)>& wanted) const;

  schedule::HealthPolicy policy_;
  std::map<std::string, Known> tables_;  // by name
  std::set<std::string> paused_;
};

}  // namespace calve::cycle
