// A journal whose calls go wrong on demand (storage/fault_injection.h), around a real one.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "calve/journal/journal.h"
#include "calve/storage/fault_injection.h"

namespace calve::offload {

class FaultInjectingJournal : public journal::Journal {
 public:
  // Both must outlive it.
  FaultInjectingJournal(journal::Journal& inner, storage::FaultList& faults) : inner_(inner), faults_(faults) {}

  std::string name() const override { return inner_.name(); }
  Status StartRun(const journal::RunRecord& run) override {
    return Guard("start-run", run.table, [&] { return inner_.StartRun(run); });
  }
  Status FinishRun(const journal::RunRecord& run) override {
    return Guard("finish-run", run.table, [&] { return inner_.FinishRun(run); });
  }
  Result<std::vector<journal::RunRecord>> LastRuns(const std::string& table, int count) override {
    return Guard("last-runs", table, [&] { return inner_.LastRuns(table, count); });
  }
  Status WriteWatermark(const journal::WatermarkRow& row, TimestampMicros now) override {
    return Guard("write-watermark", row.table_name, [&] { return inner_.WriteWatermark(row, now); });
  }
  Status WriteFailure(const std::string& table_name, const std::string& message, TimestampMicros now) override {
    return Guard("write-failure", table_name, [&] { return inner_.WriteFailure(table_name, message, now); });
  }
  Status WriteStatus(const std::string& table_name, const std::string& status, TimestampMicros now) override {
    return Guard("write-status", table_name, [&] { return inner_.WriteStatus(table_name, status, now); });
  }
  Result<std::optional<journal::WatermarkRow>> ReadWatermark(const std::string& table_name) override {
    return Guard("read-watermark", table_name, [&] { return inner_.ReadWatermark(table_name); });
  }
  Result<journal::Lease> AcquireLease(const journal::Lease& wanted) override {
    return Guard("acquire-lease", wanted.table, [&] { return inner_.AcquireLease(wanted); });
  }
  Result<bool> RenewLease(const std::string& table, const std::string& holder, TimestampMicros now,
                          TimestampMicros until) override {
    return inner_.RenewLease(table, holder, now, until);  // at moments of its own: no point of a sequence
  }
  Status ReleaseLease(const std::string& table, const std::string& holder) override {
    return Guard("release-lease", table, [&] { return inner_.ReleaseLease(table, holder); });
  }
  Result<std::optional<std::string>> ReadPartsSeen(const std::string& table, const std::string& source) override {
    return Guard("read-parts-seen", table, [&] { return inner_.ReadPartsSeen(table, source); });
  }
  Status WritePartsSeen(const std::string& table, const std::string& source, const std::string& parts,
                        TimestampMicros now) override {
    return Guard("write-parts-seen", table, [&] { return inner_.WritePartsSeen(table, source, parts, now); });
  }
  Result<std::vector<journal::PausedTable>> ReadPauses() override {
    return Guard("read-pauses", "", [&] { return inner_.ReadPauses(); });
  }
  Status WritePause(const std::string& table, TimestampMicros now) override {
    return Guard("write-pause", table, [&] { return inner_.WritePause(table, now); });
  }
  Status RemovePause(const std::string& table) override {
    return Guard("remove-pause", table, [&] { return inner_.RemovePause(table); });
  }

 private:
  template <typename Call>
  auto Guard(std::string_view call_name, const std::string& table, Call call) -> decltype(call()) {
    return faults_.Guard(std::nullopt, call_name, table, std::move(call));
  }

  journal::Journal& inner_;
  storage::FaultList& faults_;
};

}  // namespace calve::offload
