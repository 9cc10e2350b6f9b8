#include "calve/base/event.h"

#include <algorithm>

namespace calve {

std::string_view EventLevelName(EventLevel level) {
  switch (level) {
    case EventLevel::kDebug:
      return "debug";
    case EventLevel::kInfo:
      return "info";
    case EventLevel::kWarning:
      return "warning";
    case EventLevel::kError:
      break;
  }
  return "error";
}

const std::vector<EventDescription>& EventDescriptions() {
  using enum EventField;
  constexpr auto kDebug = EventLevel::kDebug, kInfo = EventLevel::kInfo, kWarning = EventLevel::kWarning,
                 kError = EventLevel::kError;
  static const std::vector<EventDescription> kAll = {
      {EventKind::kNote, "note", kInfo, {}, "a decision that is worth knowing: a column added, rows without a time"},
      {EventKind::kWarning, "warning", kWarning, {}, "something is not as it should be; the work goes on"},
      {EventKind::kError, "error", kError, {kErrorKind}, "a command failed; the exit code follows from it"},
      {EventKind::kProgress, "progress", kInfo, {kPhase}, "how far the work is, where `--progress always` asks for it"},
      {EventKind::kQueryDone,
       "query_done",
       kDebug,
       {kQueryId, kRun, kPurpose, kRows, kDurationSeconds},
       "ClickHouse answered a query to its end"},
      {EventKind::kQueryFailed,
       "query_failed",
       kDebug,
       {kQueryId, kRun, kPurpose, kDurationSeconds, kErrorKind},
       "a query failed for good; what becomes of that is told by another event"},
      {EventKind::kQueryRetried,
       "query_retried",
       kDebug,
       {kQueryId, kRun, kPurpose, kTry, kErrorKind},
       "a try of a query failed, and the next begins"},
      {EventKind::kWindowPlanned,
       "window_planned",
       kDebug,
       {kRun, kTarget, kWindowTo, kRowsExpected, kChunks},
       "the window is fixed, its rows are counted, and nothing of them is read yet"},
      {EventKind::kWindowCommitted,
       "window_committed",
       kDebug,
       {kRun, kCommit, kTarget, kWindowTo, kRows, kFiles, kBytes, kSnapshotId, kDurationSeconds},
       "rows and watermark are in; info where a load has several chunks"},
      {EventKind::kLateRowsCommitted,
       "late_rows_committed",
       kDebug,
       {kRun, kTarget, kRows, kRowsRemoved, kFiles, kBytes, kSnapshotId, kDurationSeconds},
       "rows behind the watermark that were new or had changed are in"},
      {EventKind::kTableDone,
       "table_done",
       kInfo,
       {kTable, kTarget, kRows, kFiles, kBytes, kDurationSeconds},
       "a table's turn ended well; debug where it had no rows"},
      {EventKind::kTableFailed, "table_failed", kError, {kTable, kErrorKind}, "a table's turn failed"},
      {EventKind::kTableSkipped,
       "table_skipped",
       kInfo,
       {kTable, kReason},
       "a table had no turn; a warning where that holds those up that come after it"},
      {EventKind::kTableStopped, "table_stopped", kInfo, {kTable}, "a stop was asked for before the table was done"},
      {EventKind::kTableVerified,
       "table_verified",
       kInfo,
       {kTarget, kRows, kMissing, kDuplicates, kChanged, kExtra, kDurationSeconds},
       "`calve verify` compared a table"},
      {EventKind::kTableRetired,
       "table_retired",
       kInfo,
       {kTable, kTarget, kParts, kRows, kBytes, kDurationSeconds},
       "`calve retire` is done with a table"},
      {EventKind::kTableRestored,
       "table_restored",
       kInfo,
       {kTable, kTarget, kRows, kDurationSeconds},
       "`calve restore` put rows back"},
      {EventKind::kTableMaintained,
       "table_maintained",
       kInfo,
       {kTable, kDurationSeconds},
       "maintenance changed a table"},
      {EventKind::kMaintenanceFailed,
       "maintenance_failed",
       kError,
       {kTable, kErrorKind},
       "`calve serve` could not maintain a table; the same error is told once"},
      {EventKind::kCycleStarted, "cycle_started", kDebug, {kCause}, "`calve serve` begins a cycle"},
      {EventKind::kCycleEnded,
       "cycle_ended",
       kInfo,
       {kCycle, kTables, kDone, kFailed, kSkipped, kStopped, kRows, kDurationSeconds},
       "a cycle is over, with the number of its tables by what became of them"},
      {EventKind::kCycleFailed, "cycle_failed", kError, {kErrorKind}, "a cycle failed before it began any table"},
      {EventKind::kServeStarted, "serve_started", kInfo, {kTables}, "`calve serve` is up"},
      {EventKind::kNextCycle, "next_cycle", kInfo, {kAt, kCause}, "`calve serve` waits for its next cycle"},
      {EventKind::kConfigReloaded, "config_reloaded", kInfo, {kTables}, "the configuration was read again"},
      {EventKind::kConfigNotReloaded,
       "config_not_reloaded",
       kError,
       {kErrorKind},
       "the configuration has an error; the old one stays in force"},
      {EventKind::kStopping, "stopping", kInfo, {}, "a stop was asked for"},
      {EventKind::kCycleGivenUp, "cycle_given_up", kWarning, {}, "the cycle did not end within the stop limit"},
      {EventKind::kJournalUnavailable,
       "journal_unavailable",
       kWarning,
       {kErrorKind},
       "the journal could not be opened; the work goes on without"},
      {EventKind::kNotificationSent, "notification_sent", kDebug, {kTo, kProblem}, "a notification was taken"},
      {EventKind::kNotificationFailed,
       "notification_failed",
       kWarning,
       {kTo, kErrorKind},
       "a notification was not taken, and is not tried again"},
      {EventKind::kLogLinesLost,
       "log_lines_lost",
       kWarning,
       {kCount},
       "nobody read the log for a while, and lines were left out"},
  };
  return kAll;
}

const EventDescription& DescriptionOf(EventKind kind) { return EventDescriptions()[static_cast<size_t>(kind)]; }

const std::vector<FieldDescription>& FieldDescriptions() {
  using enum EventField;
  static const std::vector<FieldDescription> kAll = {
      {kCycle, "cycle", "id of the cycle"},
      {kCause, "cause", "why the cycle begins: schedule, missed, on demand, backlog, retry, repeat"},
      {kRun, "run",
       "id of the run: of a window the journal's `run_id`; of verify, retire and restore one of their own"},
      {kCommit, "commit", "`calve.commit-id` of the snapshot"},
      {kTable, "table", "the table's name in the configuration; without one the source table's"},
      {kTarget, "target", "the Iceberg table"},
      {kLayer, "layer", "the table's layer"},
      {kPhase, "phase", "what is being done"},
      {kPurpose, "purpose", "what the query is for: plan, read, late, verify, retire, restore, view"},
      {kQueryId, "query_id", "the query's id in ClickHouse"},
      {kTry, "try", "number of the try that failed, from 1"},
      {kWindowFrom, "window_from", "the window's rows are later than this; absent: from the beginning"},
      {kWindowTo, "window_to", "and not later than this"},
      {kWatermark, "watermark", "the target's watermark by then"},
      {kRows, "rows", "rows that were written, read or compared; of `progress` so far"},
      {kRowsExpected, "rows_expected", "rows that were counted before"},
      {kRowsRemoved, "rows_removed", "rows of cold that were replaced or removed"},
      {kLateRows, "late_rows", "rows behind the watermark"},
      {kFiles, "files", "data files written"},
      {kBytes, "bytes", "their bytes; of a query, bytes off the wire; of parts, on ClickHouse's disk"},
      {kBytesRead, "bytes_read", "bytes off the wire"},
      {kParts, "parts", "ClickHouse parts that were dropped"},
      {kChunk, "chunk", "which chunk of the load this was, from 1"},
      {kChunks, "chunks", "chunks of the load"},
      {kSnapshotId, "snapshot_id", "the Iceberg snapshot"},
      {kDone, "done", "tables that are done"},
      {kFailed, "failed", "tables that failed"},
      {kSkipped, "skipped", "tables that were skipped"},
      {kStopped, "stopped", "tables that were stopped"},
      {kTables, "tables", "number of tables"},
      {kMissing, "missing", "rows that hot has and cold lacks"},
      {kDuplicates, "duplicates", "rows that cold has more than once"},
      {kChanged, "changed", "rows with other values in cold"},
      {kExtra, "extra", "rows that only cold has, and that need an explanation"},
      {kAt, "at", "when it is due"},
      {kTo, "to", "the notification's target, by its name in the configuration"},
      {kProblem, "problem", "what the notification is about ([notifications](notifications.md))"},
      {kCount, "count", "how many"},
      {kPlanSeconds, "plan_seconds", "time of the phase `plan` ([phases](metrics.md#why-is-a-cycle-slow))"},
      {kReadSeconds, "read_seconds", "of `read`"},
      {kDecodeSeconds, "decode_seconds", "of `decode`"},
      {kEncodeSeconds, "encode_seconds", "of `encode`"},
      {kUploadSeconds, "upload_seconds", "of `upload`"},
      {kCommitSeconds, "commit_seconds", "of `commit`"},
      {kLateSeconds, "late_seconds", "of `late`"},
      {kDurationSeconds, "duration_seconds", "how long it took"},
      {kReason, "reason", "why, in words"},
      {kErrorKind, "error_kind",
       "what to do about the error: retry, conflict, unknown-outcome, config, not-found, "
       "already-exists, unsupported, value, corrupt, stopped, failed"},
      {kRemedy, "remedy", "what the operator does about it; absent where the message says it all"},
  };
  return kAll;
}

std::string_view FieldName(EventField field) { return FieldDescriptions()[static_cast<size_t>(field)].name; }

Event Event::Of(EventKind kind, const Status& error) {
  Event event(kind, MessageOf(error));
  event.Set(EventField::kErrorKind, std::string(ErrorKindName(KindOf(error))));
  event.Set(EventField::kRemedy, RemedyOf(error));
  return event;
}

Event& Event::Set(EventField field, Value value) {
  if (const auto* text = std::get_if<std::string>(&value); text && text->empty()) return *this;
  const auto found = std::ranges::find(fields_, field, &std::pair<EventField, Value>::first);
  if (found == fields_.end()) {
    fields_.emplace_back(field, std::move(value));
  } else {
    found->second = std::move(value);
  }
  return *this;
}

Event& Event::SetTime(EventField field, std::optional<TimestampMicros> time) {
  return time ? Set(field, FormatTimestamp(*time)) : *this;
}

const Event::Value* Event::Find(EventField field) const {
  const auto found = std::ranges::find(fields_, field, &std::pair<EventField, Value>::first);
  return found == fields_.end() ? nullptr : &found->second;
}

std::string Event::TextOf(EventField field) const {
  const Value* value = Find(field);
  const auto* text = value ? std::get_if<std::string>(value) : nullptr;
  return text ? *text : std::string();
}

}  // namespace calve
