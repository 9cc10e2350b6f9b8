// Something that happened and is worth a line in the log (docs/logs.md): a name that stays, a sentence for people, and
// fields for programs. Layers below cli/ hand events to whoever called them; cli/ writes them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "calve/base/error.h"
#include "calve/base/time.h"

namespace calve {

enum class EventLevel { kDebug, kInfo, kWarning, kError };
std::string_view EventLevelName(EventLevel level);  // "debug", "info", "warning", "error"

enum class EventKind {
  kNote,
  kWarning,
  kError,
  kProgress,
  kQueryDone,
  kQueryFailed,
  kQueryRetried,
  kWindowPlanned,
  kWindowCommitted,
  kLateRowsCommitted,
  kTableDone,
  kTableFailed,
  kTableSkipped,
  kTableStopped,
  kTableVerified,
  kTableRetired,
  kTableRestored,
  kTableMaintained,
  kMaintenanceFailed,
  kCycleStarted,
  kCycleEnded,
  kCycleFailed,
  kServeStarted,
  kNextCycle,
  kConfigReloaded,
  kConfigNotReloaded,
  kStopping,
  kCycleGivenUp,
  kJournalUnavailable,
  kNotificationSent,
  kNotificationFailed,
  kLogLinesLost,
};

enum class EventField {
  kCycle,
  kCause,
  kRun,
  kCommit,
  kTable,
  kTarget,
  kLayer,
  kPhase,
  kPurpose,
  kQueryId,
  kTry,
  kWindowFrom,
  kWindowTo,
  kWatermark,
  kRows,
  kRowsExpected,
  kRowsRemoved,
  kLateRows,
  kFiles,
  kBytes,
  kBytesRead,
  kParts,
  kChunk,
  kChunks,
  kSnapshotId,
  kDone,
  kFailed,
  kSkipped,
  kStopped,
  kTables,
  kMissing,
  kDuplicates,
  kChanged,
  kExtra,
  kAt,
  kTo,
  kProblem,
  kCount,
  kPlanSeconds,
  kReadSeconds,
  kDecodeSeconds,
  kEncodeSeconds,
  kUploadSeconds,
  kCommitSeconds,
  kLateSeconds,
  kDurationSeconds,
  kReason,
  kErrorKind,
  kRemedy,
};

// What there is to know of a kind or a field before anything happened: docs/logs.md is checked against it.
struct EventDescription {
  EventKind kind;
  std::string_view name;
  EventLevel level;                // unless the event says otherwise
  std::vector<EventField> fields;  // that it always has
  std::string_view meaning;
};
const std::vector<EventDescription>& EventDescriptions();
const EventDescription& DescriptionOf(EventKind kind);

struct FieldDescription {
  EventField field;
  std::string_view name, meaning;
};
const std::vector<FieldDescription>& FieldDescriptions();
std::string_view FieldName(EventField field);

class Event {
 public:
  using Value = std::variant<int64_t, double, std::string>;

  Event(EventKind kind, std::string message)
      : kind_(kind), level_(DescriptionOf(kind).level), message_(std::move(message)) {}
  // Message, kind of error and remedy of what went wrong.
  static Event Of(EventKind kind, const Status& error);

  // Each in place of what the field was; what is empty is left out.
  Event& Set(EventField field, Value value);
  template <class Number>
  Event& Set(EventField field, const std::optional<Number>& value) {
    return value ? Set(field, *value) : *this;
  }
  Event& SetTime(EventField field, std::optional<TimestampMicros> time);
  Event& SetLevel(EventLevel level) {
    level_ = level;
    return *this;
  }
  void SetMessage(std::string message) { message_ = std::move(message); }

  EventKind kind() const { return kind_; }
  std::string_view name() const { return DescriptionOf(kind_).name; }
  EventLevel level() const { return level_; }
  const std::string& message() const { return message_; }
  // In the order in which they were set.
  const std::vector<std::pair<EventField, Value>>& fields() const { return fields_; }
  const Value* Find(EventField field) const;   // null where it has none
  std::string TextOf(EventField field) const;  // empty where it has none, or no text

 private:
  EventKind kind_;
  EventLevel level_;
  std::string message_;
  std::vector<std::pair<EventField, Value>> fields_;
};

}  // namespace calve
