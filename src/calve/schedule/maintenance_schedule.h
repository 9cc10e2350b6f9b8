// Which table `calve serve` maintains next, in the time between cycles. Pure: a state machine over given times.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "calve/base/time.h"

namespace calve::schedule {

enum class MaintenanceEnd {
  kDone,     // or failed: it is tried again when its time comes
  kStopped,  // a cycle was due: it goes on in the next gap, behind the tables that have waited longer
};

class MaintenanceSchedule {
 public:
  // A table's folders are listed for orphans once a day: in an object store that is what costs most.
  static constexpr int64_t kOrphansEvery = kMicrosPerDay;

  struct Turn {
    std::string table;
    bool orphans = false;  // may be looked for
    friend bool operator==(const Turn&, const Turn&) = default;
  };

  // Tables that were known keep their times, new ones are due at once; nullopt: none is ever due.
  void Configure(const std::vector<std::string>& tables, std::optional<int64_t> every_micros, TimestampMicros now);
  // nullopt: never.
  std::optional<TimestampMicros> NextAt() const;
  // The table that has been due for longest; of several the first by name. nullopt: none is due.
  std::optional<Turn> Next(TimestampMicros now) const;
  void OnEnded(const Turn& turn, MaintenanceEnd end, TimestampMicros now);

 private:
  struct Due {
    TimestampMicros at = 0, orphans_at = 0;
  };
  std::optional<int64_t> every_;
  std::map<std::string, Due> tables_;
};

}  // namespace calve::schedule
