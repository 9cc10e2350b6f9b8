// What is wrong at present, what of that has been told, and what is to be told next. Pure: a state machine over given
// times; problem_file.h keeps it between processes.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "calve/base/time.h"

namespace calve::notify {

enum class ProblemKind {
  kTableFailed,        // its last turn failed
  kCycleFailed,        // the last cycle failed before it began any table; of no table
  kRowsMissing,        // calve verify: hot has rows that cold lacks
  kRowsDoubled,        // calve verify: cold has rows more than once
  kRowsDiffer,         // calve verify: other values, or rows that only cold has
  kRetirementBlocked,  // calve retire failed, or kept parts for what cold lacks
};

struct KindDescription {
  ProblemKind kind;
  std::string_view name;      // "table_failed"
  std::string_view alert;     // Alertmanager's alertname; as in deploy/prometheus where it means the same
  std::string_view severity;  // "warning", "critical"
  std::string_view runbook;
};
const std::vector<KindDescription>& KindDescriptions();
const KindDescription& DescriptionOf(ProblemKind kind);

// Somebody looked: the problem is there, or it is not.
struct Observation {
  ProblemKind kind = ProblemKind::kTableFailed;
  std::string table, layer;  // may be empty
  bool holds = false;
  // Of one that holds.
  std::string error_kind = {}, message = {}, remedy = {};
  std::string run = {}, cycle = {};
};

struct Problem {
  Observation last;   // that it held
  int64_t count = 0;  // observations in a row
  TimestampMicros first_at = 0, last_at = 0;
  std::optional<TimestampMicros> told_at;

  friend bool operator==(const Problem&, const Problem&);
};

enum class NoticeReason { kNew, kReminder, kResolved };
std::string_view NoticeReasonName(NoticeReason reason);

// One thing to tell.
struct Notice {
  NoticeReason reason = NoticeReason::kNew;
  Problem problem;
  TimestampMicros at = 0;
};

struct NoticePolicy {
  int64_t after = 1;  // failures in a row; findings of verify and retire are told at once
  int64_t repeat_micros = 4 * 3'600 * kMicrosPerSecond;  // a reminder while it lasts; 0: none
};

using ProblemKey = std::pair<ProblemKind, std::string>;  // of a table

class ProblemBook {
 public:
  // What is to be told because of it: the problem once, a reminder now and then, its end once.
  std::optional<Notice> Observe(const Observation& observation, const NoticePolicy& policy, TimestampMicros now);
  // Reminders that are due although nobody looked: of a table that is put aside.
  std::vector<Notice> Remind(const NoticePolicy& policy, TimestampMicros now);
  // Problems of other tables than these are over.
  std::vector<Notice> Keep(const std::vector<std::string>& tables, TimestampMicros now);
  // It could not be told: the next observation tells it again.
  void Untell(const ProblemKey& key);

  // Told and not over.
  std::vector<Problem> Told() const;
  bool empty() const { return problems_.empty(); }

  // JSON; kCorrupt where the text is none of calve's.
  std::string ToText() const;
  static Result<ProblemBook> FromText(const std::string& text);

  friend bool operator==(const ProblemBook&, const ProblemBook&) = default;

 private:
  std::map<ProblemKey, Problem> problems_;
};

// "silver_trades has failed 2 times in a row", "what was wrong with silver_trades is over: …"
std::string SummaryOf(const Notice& notice);

}  // namespace calve::notify
