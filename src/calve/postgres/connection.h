// A connection to a PostgreSQL server: a thin skin over libpq that turns its answers into Status, and never waits for
// ever.
#pragma once

#include <libpq-fe.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "calve/base/error.h"
#include "calve/postgres/postgres_uri.h"

namespace calve::postgres {

struct ConnectOptions {
  std::string uri;                  // as postgres_uri.h takes it; its own parameters win over the defaults here
  std::string password;             // empty: PGPASSWORD, PGPASSFILE or none
  int connect_timeout_ms = 10'000;  // for each host that the URI lists
  int answer_timeout_ms = 15'000;   // for each statement
  Purpose purpose = {};
};

// The answer to one statement. Values are text as PostgreSQL writes it; NULL is "" and 0.
class Rows {
 public:
  explicit Rows(PGresult* result) : result_(result) {}

  int count() const { return PQntuples(result_.get()); }
  bool IsNull(int row, int column) const { return PQgetisnull(result_.get(), row, column) != 0; }
  std::string Text(int row, int column) const {
    return std::string(PQgetvalue(result_.get(), row, column),
                       static_cast<size_t>(PQgetlength(result_.get(), row, column)));
  }
  bool Bool(int row, int column) const { return Text(row, column) == "t"; }
  // kCorrupt for what is no 64-bit integer.
  Result<int64_t> Int(int row, int column) const;
  // Rows that an INSERT, UPDATE or DELETE touched.
  int64_t affected() const;
  std::string command() const { return PQcmdStatus(result_.get()); }

 private:
  struct Clear {
    void operator()(PGresult* result) const { PQclear(result); }
  };
  std::unique_ptr<PGresult, Clear> result_;
};

// The text of a parameter; nullopt is NULL.
using Parameter = std::optional<std::string>;

enum class Loss {
  kNone,
  kClosed,  // the other end closed it, or the network did
  kSilent,  // no answer in time: given up
};

// Not thread-safe. Must not be used after fork().
class Connection {
 public:
  // kRetry: the server cannot be reached now. kConfig: it does not let us in, or the URI asks for what there is not.
  static Result<Connection> Open(const ConnectOptions& options);

  // Whether the connection is gone, as far as can be told without asking the server: before a statement is sent, a
  // loss is harmless.
  Loss loss();
  // The SQLSTATE of the last statement's error; empty where there was none or none was told.
  const std::string& state() const { return state_; }

  // One statement with parameters, or several without; of several, the last one's rows. A statement that was sent may
  // have been executed even though loss() tells of a lost connection then.
  Result<Rows> Execute(const std::string& sql, const std::vector<Parameter>& parameters = {});
  // Ends a transaction that failed. state() stays that of the failure.
  void Rollback();

 private:
  using Deadline = std::chrono::steady_clock::time_point;
  struct Finish {
    void operator()(PGconn* connection) const { PQfinish(connection); }
  };
  Connection(PGconn* connection, std::string name, const ConnectOptions& options)
      : connection_(connection),
        name_(std::move(name)),
        answer_timeout_ms_(options.answer_timeout_ms),
        purpose_(options.purpose) {}

  Status AwaitConnected(Deadline deadline);
  Status AwaitSent(Deadline deadline);
  Result<Rows> ReadAnswer(Deadline deadline);
  // libpq's own error, and the loss that it may mean.
  Status Broken();
  Status Silent();

  std::unique_ptr<PGconn, Finish> connection_;
  std::string name_;
  int answer_timeout_ms_;
  Purpose purpose_;
  std::string state_;
  bool silent_ = false;
};

}  // namespace calve::postgres
