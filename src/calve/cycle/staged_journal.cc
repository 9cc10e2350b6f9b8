#include "calve/cycle/staged_journal.h"

#include <algorithm>
#include <utility>

namespace calve::cycle {

Status StagedJournal::FinishRun(const journal::RunRecord& run) {
  if (run.status != "success") return inner_.FinishRun(run);
  std::lock_guard lock(mutex_);
  runs_.push_back(run);
  return Status::OK();
}

Status StagedJournal::WriteWatermark(const journal::WatermarkRow& row, TimestampMicros now) {
  std::lock_guard lock(mutex_);
  watermarks_.emplace_back(row, now);
  return Status::OK();
}

// A table that is worked on in chunks gives its lease back and takes it again: it is held all the time.
Result<journal::Lease> StagedJournal::AcquireLease(const journal::Lease& wanted) {
  std::string kept_by;
  {
    std::lock_guard lock(mutex_);
    auto kept = std::find_if(leases_.begin(), leases_.end(), [&](const Lease& l) { return l.table == wanted.table; });
    if (kept != leases_.end()) {
      kept_by = kept->holder;
      leases_.erase(kept);
    }
  }
  if (!kept_by.empty()) ARROW_RETURN_NOT_OK(inner_.ReleaseLease(wanted.table, kept_by));
  return inner_.AcquireLease(wanted);
}

Status StagedJournal::ReleaseLease(const std::string& table, const std::string& holder) {
  std::lock_guard lock(mutex_);
  leases_.push_back({table, holder});
  return Status::OK();
}

Result<std::optional<std::string>> StagedJournal::ReadPartsSeen(const std::string& table, const std::string& source) {
  {
    std::lock_guard lock(mutex_);
    for (auto seen = parts_.rbegin(); seen != parts_.rend(); ++seen) {
      if (seen->table == table && seen->source == source) return std::optional(seen->parts);
    }
  }
  return inner_.ReadPartsSeen(table, source);
}

Status StagedJournal::WritePartsSeen(const std::string& table, const std::string& source, const std::string& parts,
                                     TimestampMicros now) {
  std::lock_guard lock(mutex_);
  parts_.push_back({table, source, parts, now});
  return Status::OK();
}

Status StagedJournal::Release(const Status& committed, TimestampMicros now) {
  std::lock_guard lock(mutex_);
  Status first;
  auto note = [&](const Status& status) {
    if (first.ok()) first = status;
  };
  for (journal::RunRecord& run : runs_) {
    if (!committed.ok()) {
      run.status = "failed";
      run.error = MessageOf(committed);
      run.finished_at = now;
      run.rows = run.files = run.bytes = 0;
      run.snapshot_id.reset();
    }
    note(inner_.FinishRun(run));
  }
  for (const auto& [row, told] : watermarks_) {
    note(committed.ok() ? inner_.WriteWatermark(row, told)
                        : inner_.WriteFailure(row.table_name, MessageOf(committed), now));
  }
  // What was seen is known together with a commit: without it nothing was.
  for (const PartsSeen& seen : parts_) {
    if (committed.ok()) note(inner_.WritePartsSeen(seen.table, seen.source, seen.parts, seen.now));
  }
  for (const Lease& lease : leases_) note(inner_.ReleaseLease(lease.table, lease.holder));
  runs_.clear();
  watermarks_.clear();
  parts_.clear();
  leases_.clear();
  return first;
}

}  // namespace calve::cycle
