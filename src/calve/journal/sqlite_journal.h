// The journal in an SQLite file. Schema: offload_watermarks as the Spark job's users know it (timestamps as ISO-8601
// text in UTC, which sorts by time) and calve's own tables, calve_*.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "calve/journal/journal.h"
#include "calve/sqlite/database.h"

namespace calve::journal {

// WAL without a sync at each commit: a power failure may lose the last entries, which the target tables hold anyway.
// The file may be deleted or replaced at any moment; the next call makes it anew.
class SqliteJournal : public Journal {
 public:
  static Result<std::unique_ptr<Journal>> Open(const std::string& path);

  std::string name() const override { return "journal " + path_; }
  Status StartRun(const RunRecord& run) override;
  Status FinishRun(const RunRecord& run) override;
  Result<std::vector<RunRecord>> LastRuns(const std::string& table, int count) override;
  Status WriteWatermark(const WatermarkRow& row, TimestampMicros now) override;
  Status WriteFailure(const std::string& table_name, const std::string& message, TimestampMicros now) override;
  Status WriteStatus(const std::string& table_name, const std::string& status, TimestampMicros now) override;
  Result<std::optional<WatermarkRow>> ReadWatermark(const std::string& table_name) override;
  Result<Lease> AcquireLease(const Lease& wanted) override;
  Result<bool> RenewLease(const std::string& table, const std::string& holder, TimestampMicros now,
                          TimestampMicros until) override;
  Status ReleaseLease(const std::string& table, const std::string& holder) override;
  Result<std::optional<std::string>> ReadPartsSeen(const std::string& table, const std::string& source) override;
  Status WritePartsSeen(const std::string& table, const std::string& source, const std::string& parts,
                        TimestampMicros now) override;
  Result<std::vector<PausedTable>> ReadPauses() override;
  Status WritePause(const std::string& table, TimestampMicros now) override;
  Status RemovePause(const std::string& table) override;

 private:
  explicit SqliteJournal(std::string path) : path_(std::move(path)) {}
  // The open database with all tables; opens it where it is not, or was moved away.
  Result<sqlite::Database*> Ready();
  Status WriteRun(const std::string& sql, const RunRecord& run);

  const std::string path_;

  std::mutex mutex_;
  std::optional<sqlite::Database> database_;  // protected by mutex_
};

}  // namespace calve::journal
