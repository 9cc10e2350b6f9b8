// A journal that is told of success only once it is one: what runs say of their ends waits until the cycle's commit is
// known to be in or not. Leases are held until then.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "calve/journal/journal.h"

namespace calve::cycle {

// Thread-safe. `inner` must outlive it.
class StagedJournal : public journal::Journal {
 public:
  explicit StagedJournal(journal::Journal& inner) : inner_(inner) {}

  // Says what waits: as it was told (OK), or as failures with this error. The first error of the journal's, which
  // concerns nobody but the reader of a log.
  Status Release(const Status& committed, TimestampMicros now);

  std::string name() const override { return inner_.name(); }
  Status StartRun(const journal::RunRecord& run) override { return inner_.StartRun(run); }
  Status FinishRun(const journal::RunRecord& run) override;
  Result<std::vector<journal::RunRecord>> LastRuns(const std::string& table, int count) override {
    return inner_.LastRuns(table, count);
  }
  Status WriteWatermark(const journal::WatermarkRow& row, TimestampMicros now) override;
  Status WriteFailure(const std::string& table_name, const std::string& message, TimestampMicros now) override {
    return inner_.WriteFailure(table_name, message, now);
  }
  Status WriteStatus(const std::string& table_name, const std::string& status, TimestampMicros now) override {
    return inner_.WriteStatus(table_name, status, now);
  }
  Result<std::optional<journal::WatermarkRow>> ReadWatermark(const std::string& table_name) override {
    return inner_.ReadWatermark(table_name);
  }
  Result<journal::Lease> AcquireLease(const journal::Lease& wanted) override;
  Result<bool> RenewLease(const std::string& table, const std::string& holder, TimestampMicros now,
                          TimestampMicros until) override {
    return inner_.RenewLease(table, holder, now, until);
  }
  Status ReleaseLease(const std::string& table, const std::string& holder) override;
  Result<std::optional<std::string>> ReadPartsSeen(const std::string& table, const std::string& source) override;
  Status WritePartsSeen(const std::string& table, const std::string& source, const std::string& parts,
                        TimestampMicros now) override;
  Result<std::vector<journal::PausedTable>> ReadPauses() override { return inner_.ReadPauses(); }
  Status WritePause(const std::string& table, TimestampMicros now) override { return inner_.WritePause(table, now); }
  Status RemovePause(const std::string& table) override { return inner_.RemovePause(table); }

 private:
  struct PartsSeen {
    std::string table, source, parts;
    TimestampMicros now = 0;
  };
  struct Lease {
    std::string table, holder;
  };

  journal::Journal& inner_;

  std::mutex mutex_;
  // Protected by mutex_.
  std::vector<journal::RunRecord> runs_;
  std::vector<std::pair<journal::WatermarkRow, TimestampMicros>> watermarks_;
  std::vector<PartsSeen> parts_;
  std::vector<Lease> leases_;
};

}  // namespace calve::cycle
