#include "calve/postgres/session.h"

#include <fmt/format.h>

#include <utility>

#include "calve/postgres/postgres_error.h"
#include "calve/postgres/postgres_uri.h"

namespace calve::postgres {
namespace {

// What a session would keep is set in each transaction. The server gives up before the client does: then its answer is
// certain.
std::string BeginOf(const SessionOptions& options) {
  const int answer_ms = options.connect.answer_timeout_ms;
  return fmt::format(
      "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL TimeZone = 'UTC'; SET LOCAL statement_timeout = {}; "
      "SET LOCAL lock_timeout = {}; SET LOCAL idle_in_transaction_session_timeout = {}{}{}",
      answer_ms * 2 / 3, answer_ms / 3, answer_ms * 2, options.settings.empty() ? "" : "; ", options.settings);
}

}  // namespace

Session::Session(SessionOptions options, std::string name)
    : options_(std::move(options)), name_(std::move(name)), begin_(BeginOf(options_)) {}

Result<std::unique_ptr<Session>> Session::Make(SessionOptions options) {
  ARROW_ASSIGN_OR_RAISE(std::string name, NameOfUri(options.connect.uri, options.connect.purpose));
  options.connect.connect_timeout_ms = ConnectTimeoutMsOfUri(options.connect.uri, options.connect.connect_timeout_ms);
  return std::unique_ptr<Session>(new Session(std::move(options), std::move(name)));
}

Status Session::Connect() {
  std::lock_guard lock(mutex_);
  return ConnectLocked();
}

Status Session::ConnectLocked() {
  const auto now = std::chrono::steady_clock::now();
  if (!silence_.ok() && now < silent_until_) return silence_;
  silence_ = Status::OK();
  auto opened = Connection::Open(options_.connect);
  if (!opened.ok()) {
    const auto after = std::chrono::steady_clock::now();
    if (after - now >= std::chrono::milliseconds(options_.connect.connect_timeout_ms)) {
      silence_ = opened.status();
      silent_until_ = after + options_.silence_pause;
    }
    return opened.status();
  }
  connection_.emplace(std::move(opened).ValueUnsafe());
  if (!options_.prepare) return Status::OK();
  Status prepared = Prepare();
  if (!prepared.ok()) connection_.reset();
  return prepared;
}

Status Session::Prepare() {
  bool committing = false;
  Status prepared = TryOnce(options_.prepare, committing);
  // Another program made the same at the same moment.
  const std::string state = connection_->state();
  if (!prepared.ok() && IsMadeMeanwhile(state)) {
    prepared = TryOnce(options_.prepare, committing);
  }
  return prepared.ok() || MessageOf(prepared).starts_with(name_) ? prepared : WithContext(prepared, name_);
}

Status Session::TryOnce(const Body& body, bool& committing) {
  committing = false;
  ARROW_RETURN_NOT_OK(connection_->Execute(begin_).status());
  Status done = body(*connection_);
  if (!done.ok()) {
    connection_->Rollback();
    return done;
  }
  committing = true;
  ARROW_ASSIGN_OR_RAISE(Rows answer, connection_->Execute("COMMIT"));
  if (answer.command() == "COMMIT") return Status::OK();
  return MakeError(ErrorKind::kRetry, fmt::format("{}: the transaction was rolled back", name_), "Try again.");
}

Status Session::Transact(Repeat repeat, const Body& body) {
  std::lock_guard lock(mutex_);
  for (bool again = false;; again = true) {
    if (connection_ && connection_->loss() != Loss::kNone) connection_.reset();
    if (!connection_) ARROW_RETURN_NOT_OK(ConnectLocked());
    bool committing = false;
    Status done = TryOnce(body, committing);
    if (done.ok()) return done;
    const Loss loss = connection_->loss();
    if (loss == Loss::kNone) {
      if (connection_->state() != kUndefinedTable || !options_.prepare || again) return done;
      ARROW_RETURN_NOT_OK(Prepare());  // the tables were dropped
      continue;
    }
    connection_.reset();
    if (loss == Loss::kSilent) {
      silence_ = done;
      silent_until_ = std::chrono::steady_clock::now() + options_.silence_pause;
    }
    if (committing && repeat == Repeat::kHarmful) return WithKind(done, ErrorKind::kUnknownOutcome, RemedyOf(done));
    if (again || loss == Loss::kSilent) return done;
  }
}

}  // namespace calve::postgres
