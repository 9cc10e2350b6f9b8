// The journal in a PostgreSQL database: the platform's own offload_watermarks where it has one (DESIGN: journal), and
// calve's tables, calve_*, beside it. Its clock decides when a lease ends.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "calve/journal/journal.h"
#include "calve/postgres/connection.h"

namespace calve::journal {

// A call goes over a connection that is kept; one that was lost is made anew, once in a call. Tables that were dropped
// are made anew. Nothing of a session is relied on, so that a pooler may stand between. Commits do not wait for the
// disk: a crash of the server may lose the last entries, which the target tables hold anyway.
class PostgresJournal : public Journal {
 public:
  static Result<std::unique_ptr<Journal>> Open(const postgres::ConnectOptions& options, bool read_only);

  std::string name() const override { return "journal " + name_; }
  Status StartRun(const RunRecord& run) override;
  Status FinishRun(const RunRecord& run) override;
  Result<std::vector<RunRecord>> LastRuns(const std::string& table, int count) override;
  Status WriteWatermark(const WatermarkRow& row, TimestampMicros now) override;
  Status WriteFailure(const std::string& table_name, const std::string& message, TimestampMicros now) override;
  Result<std::optional<WatermarkRow>> ReadWatermark(const std::string& table_name) override;
  Result<Lease> AcquireLease(const Lease& wanted) override;
  Result<bool> RenewLease(const std::string& table, const std::string& holder, TimestampMicros now,
                          TimestampMicros until) override;
  Status ReleaseLease(const std::string& table, const std::string& holder) override;
  Result<std::optional<std::string>> ReadPartsSeen(const std::string& table, const std::string& source) override;
  Status WritePartsSeen(const std::string& table, const std::string& source, const std::string& parts,
                        TimestampMicros now) override;

 private:
  using Connection = postgres::Connection;
  using Body = std::function<Status(Connection&)>;
  // Whether doing a call twice is as good as once: then it is tried again also where its commit's answer was lost.
  enum class Repeat { kHarmless, kHarmful };

  PostgresJournal(postgres::ConnectOptions options, std::string name, bool read_only)
      : options_(std::move(options)), name_(std::move(name)), read_only_(read_only) {}

  // Runs `body` in one transaction. It is called again where the first try is known to have changed nothing, or where
  // that does no harm; so it sets what it returns anew each time.
  Status Transact(Repeat repeat, const Body& body);
  Status Connect();
  Status TryOnce(const Body& body, bool& committing);
  // Makes the tables; where another program makes one at the same moment, looks again.
  Status Prepare();
  Status WriteRun(const std::string& sql, const RunRecord& run, int64_t& written);
  // Where the table is missing and may not be made, there is nothing in it.
  template <typename T>
  Result<T> OrNothing(const Status& status, T value);

  const postgres::ConnectOptions options_;
  const std::string name_;
  const bool read_only_;

  std::mutex mutex_;
  // Protected by mutex_.
  std::optional<Connection> connection_;
  Status silence_;  // why nothing is asked until then
  std::chrono::steady_clock::time_point silent_until_;
};

}  // namespace calve::journal
