#include "calve/schedule/table_health.h"

#include <fmt/format.h>

#include <algorithm>

namespace calve::schedule {
namespace {

// To the second, for people: 2026-11-24T03:00:00Z.
std::string SecondsText(TimestampMicros t) { return FormatTimestamp(t).substr(0, 19) + "Z"; }

}  // namespace

bool MayPassByItself(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kConfig:
    case ErrorKind::kNotFound:
    case ErrorKind::kAlreadyExists:
    case ErrorKind::kUnsupported:
    case ErrorKind::kValue:
      return false;
    case ErrorKind::kFailed:
    case ErrorKind::kRetry:
    case ErrorKind::kConflict:
    case ErrorKind::kUnknownOutcome:
    case ErrorKind::kCorrupt:  // on the wire, perhaps
    case ErrorKind::kStopped:
      return true;
  }
  return true;
}

bool TableHealth::DueAt(TimestampMicros now) const { return now >= due_at_ || now < failed_at_; }

void TableHealth::OnFailure(TimestampMicros now, const Status& status, double random) {
  ErrorKind kind = KindOf(status);
  if (kind == ErrorKind::kStopped) return;
  ++failures_;
  failed_at_ = now;
  last_error_ = MessageOf(status);
  bool passes = MayPassByItself(kind);
  if (put_aside()) {
    // The first time aside is try number 2 of a RetryPolicy: its shortest wait.
    RetryPolicy aside = policy_.aside;
    if (passes) aside.wait_max_ms = std::min(aside.wait_max_ms, policy_.transient_aside_max_ms);
    due_at_ = now + aside.WaitMs(failures_ - policy_.retry.attempts_max + 2, random) * 1000;
    retry_at_ = due_at_;
  } else if (passes) {
    due_at_ = now + policy_.retry.WaitMs(failures_ + 1, random) * 1000;
    retry_at_ = due_at_;
  } else {
    due_at_ = now;
    retry_at_ = std::nullopt;
  }
}

void TableHealth::OnSuccess() { *this = TableHealth(policy_); }

std::string TableHealth::Describe() const {
  if (failures_ == 0) return "";
  std::string when = put_aside() ? "put aside until " + SecondsText(due_at_)
                     : retry_at_ ? "to be tried again at " + SecondsText(*retry_at_)
                                 : "to be tried again with the next cycle";
  std::string count = failures_ == 1 ? "a failure" : fmt::format("{} failures in a row", failures_);
  return fmt::format("{} after {}: {}", when, count, last_error_);
}

}  // namespace calve::schedule
