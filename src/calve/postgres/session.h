// Transactions over one connection that is kept: it is made anew where it was lost, and nothing waits for ever.
#pragma once

#include <chrono>
#include <functional>
#include <mutex>
#include <optional>
#include <string>

#include "calve/postgres/connection.h"

namespace calve::postgres {

// Whether doing it twice is as good as once: then it is tried again also where its commit's answer was lost.
enum class Repeat { kHarmless, kHarmful };

struct SessionOptions {
  ConnectOptions connect;
  std::string settings;  // more of each transaction's own: "SET LOCAL …"
  // A transaction of its own after each connecting, and where a table turns out to be missing. May be empty.
  std::function<Status(Connection&)> prepare;
  // Of a server that gave no answer nothing is asked for so long: it costs its time-out once, not at every call.
  std::chrono::seconds silence_pause{0};
};

// Thread-safe; one transaction at a time. Nothing of a session of the server's is relied on, so that a pooler may stand
// between.
class Session {
 public:
  using Body = std::function<Status(Connection&)>;

  // kConfig for a URI that NameOfUri refuses. Opens no connection.
  static Result<std::unique_ptr<Session>> Make(SessionOptions options);

  const std::string& name() const { return name_; }  // the database's, without secrets
  // Now, rather than with the first transaction.
  Status Connect();
  // Runs `body` in one transaction. It is called again where the first try is known to have changed nothing, or where
  // that does no harm; so it sets what it returns anew each time. kUnknownOutcome: the answer to the commit was lost
  // and repeating it may do harm; any other error: nothing was changed, or as much as doing it twice changes.
  Status Transact(Repeat repeat, const Body& body);

 private:
  Session(SessionOptions options, std::string name);

  Status ConnectLocked();
  Status TryOnce(const Body& body, bool& committing);
  Status Prepare();

  const SessionOptions options_;
  const std::string name_;
  const std::string begin_;

  std::mutex mutex_;
  // Protected by mutex_.
  std::optional<Connection> connection_;
  Status silence_;  // why nothing is asked until then
  std::chrono::steady_clock::time_point silent_until_;
};

}  // namespace calve::postgres
