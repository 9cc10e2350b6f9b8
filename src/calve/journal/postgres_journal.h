// The journal in a PostgreSQL database: the platform's own offload_watermarks where it has one (DESIGN: journal), and
// calve's tables, calve_*, beside it. Its clock decides when a lease ends.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "calve/journal/journal.h"
#include "calve/postgres/session.h"

namespace calve::journal {

// A call goes over a connection that is kept; one that was lost is made anew, once in a call. Tables that were dropped
// are made anew. Commits do not wait for the disk: a crash of the server may lose the last entries, which the target
// tables hold anyway.
class PostgresJournal : public Journal {
 public:
  static Result<std::unique_ptr<Journal>> Open(const postgres::ConnectOptions& options, bool read_only);

  std::string name() const override { return "journal " + session_->name(); }
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
  PostgresJournal(std::unique_ptr<postgres::Session> session, bool read_only)
      : session_(std::move(session)), read_only_(read_only) {}

  Status WriteRun(const std::string& sql, const RunRecord& run, int64_t& written);
  // Where the table is missing and may not be made, there is nothing in it.
  template <typename T>
  Result<T> OrNothing(const Status& status, T value);

  const std::unique_ptr<postgres::Session> session_;
  const bool read_only_;
};

}  // namespace calve::journal
