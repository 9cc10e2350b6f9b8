#include "calve/schedule/cycle_schedule.h"

#include <algorithm>
#include <utility>

namespace calve::schedule {
namespace {

constexpr int64_t kTimesCountedMax = 1000;

}  // namespace

std::string_view CycleCauseName(CycleCause cause) {
  switch (cause) {
    case CycleCause::kSchedule:
      return "schedule";
    case CycleCause::kMissed:
      return "missed";
    case CycleCause::kOnDemand:
      return "on-demand";
    case CycleCause::kBacklog:
      return "backlog";
    case CycleCause::kRetry:
      return "retry";
    case CycleCause::kRepeat:
      return "repeat";
  }
  return "schedule";
}

CycleSchedule::CycleSchedule(Cadence cadence, TimestampMicros now, std::optional<TimestampMicros> last_cycle,
                             RetryPolicy retry)
    : cadence_(std::move(cadence)), retry_(retry), served_until_(last_cycle), busy_until_(now) {}

int64_t CycleSchedule::CountTimes(TimestampMicros now) const {
  int64_t count = overdue_ ? 1 : 0;
  if (!served_until_) return count;
  for (TimestampMicros t = cadence_.NextAfter(*served_until_); t <= now && count < kTimesCountedMax;
       t = cadence_.NextAfter(t)) {
    ++count;
  }
  return count;
}

DueCycle CycleSchedule::Next(TimestampMicros now) {
  // Where the clock was set back, the times that come again are new ones, and no wait is longer than it was meant.
  if (served_until_ && *served_until_ > now) served_until_ = now;
  busy_until_ = std::min(busy_until_, now);
  if (run_requested_) return {now, CycleCause::kOnDemand, CountTimes(now)};
  if (!served_until_) return {now, CycleCause::kMissed, 0};
  TimestampMicros tick = overdue_ ? *overdue_ : cadence_.NextAfter(*served_until_);
  if (tick <= now) {
    return {tick, tick <= busy_until_ ? CycleCause::kMissed : CycleCause::kSchedule, CountTimes(now)};
  }
  if (backlog_) return {now, CycleCause::kBacklog, 0};
  // Never both: a cycle that failed as a whole reports no table's.
  if (repeat_at_ && *repeat_at_ < tick) return {*repeat_at_, CycleCause::kRepeat, 0};
  if (retry_at_ && *retry_at_ < tick) return {*retry_at_, CycleCause::kRetry, 0};
  return {tick, CycleCause::kSchedule, 1};
}

void CycleSchedule::OnStarted(TimestampMicros now) {
  served_until_ = now;
  overdue_ = std::nullopt;
  retry_at_ = repeat_at_ = std::nullopt;
  run_requested_ = false;
  backlog_ = false;
}

void CycleSchedule::OnFinished(TimestampMicros now, const Result<CycleReport>& report, double random) {
  busy_until_ = now;
  if (!report.ok()) {
    ++failures_;
    repeat_at_ = now + retry_.WaitMs(failures_ + 1, random) * 1000;
    return;
  }
  failures_ = 0;
  backlog_ = report->backlog && report->progressed;
  retry_at_ = report->retry_at;
}

void CycleSchedule::SetCadence(Cadence cadence, TimestampMicros now) {
  if (served_until_) {
    TimestampMicros tick = cadence_.NextAfter(*served_until_);
    if (!overdue_ && tick <= now) overdue_ = tick;
    served_until_ = now;
  }
  cadence_ = std::move(cadence);
}

}  // namespace calve::schedule
