#include "calve/postgres/connection.h"

#include <fmt/format.h>

#include <charconv>

#include "calve/postgres/await.h"
#include "calve/postgres/certificate_refusal.h"
#include "calve/postgres/postgres_error.h"
#include "calve/postgres/postgres_uri.h"

namespace calve::postgres {
namespace {

using Steady = std::chrono::steady_clock;
using std::chrono::milliseconds;

void Ignore(void*, const PGresult*) {}

}  // namespace

Result<int64_t> Rows::Int(int row, int column) const {
  if (IsNull(row, column)) return 0;
  std::string text = Text(row, column);
  int64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc() && end == text.data() + text.size()) return value;
  return MakeError(ErrorKind::kCorrupt,
                   fmt::format("'{}' in column {} is no whole number", text, PQfname(result_.get(), column)));
}

int64_t Rows::affected() const {
  std::string text = PQcmdTuples(result_.get());
  int64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

Result<Connection> Connection::Open(const ConnectOptions& options) {
  ARROW_ASSIGN_OR_RAISE(std::string name, NameOfUri(options.uri, options.purpose));
  if (Status readable = CheckClientCertificate(options.uri); !readable.ok()) return WithContext(readable, name);
  const std::string silence = std::to_string(options.connect_timeout_ms);
  // Of a keyword that comes twice the later value counts: defaults, the URI, the password. A peer that vanished without
  // a word is found out by TCP itself, in about a minute where nothing is on its way.
  std::vector<std::pair<const char*, const char*>> parameters = {
      {"fallback_application_name", "calve"}, {"client_encoding", "UTF8"}, {"keepalives_idle", "30"},
      {"keepalives_interval", "10"},          {"keepalives_count", "3"},   {"tcp_user_timeout", silence.c_str()},
      {"dbname", options.uri.c_str()}};
  if (!options.password.empty()) parameters.emplace_back("password", options.password.c_str());
  std::vector<const char*> keywords, values;
  for (const auto& [keyword, value] : parameters) {
    keywords.push_back(keyword);
    values.push_back(value);
  }
  keywords.push_back(nullptr);
  values.push_back(nullptr);
  PGconn* raw = PQconnectStartParams(keywords.data(), values.data(), /*expand_dbname=*/1);
  if (!raw) return Status::OutOfMemory("PQconnectStartParams");
  Connection connection(raw, std::move(name), options);
  PQsetNoticeReceiver(raw, Ignore, nullptr);   // libpq prints them else
  PQsetErrorVerbosity(raw, PQERRORS_VERBOSE);  // the SQLSTATE of a refusal is told in no other way
  const milliseconds patience(int64_t{options.connect_timeout_ms} * HostsOfUri(options.uri));
  Status connected = connection.AwaitConnected(Steady::now() + patience);
  if (MessageOf(connected).find("certificate verify failed") != std::string::npos) {
    CertificateRefusal refusal = ExplainRefusal(options.uri, Steady::now() + patience);
    if (!refusal.reason.empty()) {
      connected =
          MakeError(ErrorKind::kConfig, fmt::format("{}: {}", connection.name_, refusal.reason), refusal.remedy);
    }
  }
  ARROW_RETURN_NOT_OK(connected);
  PQsetErrorVerbosity(raw, PQERRORS_DEFAULT);
  if (PQsetnonblocking(raw, 1) != 0) return connection.Broken();
  return connection;
}

Status Connection::AwaitConnected(Deadline deadline) {
  PGconn* raw = connection_.get();
  PostgresPollingStatusType wants = PQstatus(raw) == CONNECTION_BAD ? PGRES_POLLING_FAILED : PGRES_POLLING_WRITING;
  while (wants == PGRES_POLLING_READING || wants == PGRES_POLLING_WRITING) {
    if (Await(PQsocket(raw), wants == PGRES_POLLING_READING ? POLLIN : POLLOUT, deadline) == 0) {
      silent_ = true;
      return ErrorOf("", "no answer from the server in time", name_);
    }
    wants = PQconnectPoll(raw);
  }
  if (wants == PGRES_POLLING_OK) return Status::OK();
  const char* password = PQpass(raw);
  std::string text = Scrub(PQerrorMessage(raw), password ? password : "");
  return ConnectError(std::move(text), PQconnectionNeedsPassword(raw) != 0, name_, purpose_);
}

Loss Connection::loss() {
  if (silent_) return Loss::kSilent;
  // A server that ends a session says so and closes: two reads, for libpq takes what is there one piece at a time.
  for (int reads = 0; reads < 3 && PQstatus(connection_.get()) == CONNECTION_OK; ++reads) {
    if (Await(PQsocket(connection_.get()), POLLIN, Steady::now() - milliseconds(1)) == 0) break;
    if (PQconsumeInput(connection_.get()) == 0) return Loss::kClosed;
  }
  return PQstatus(connection_.get()) == CONNECTION_OK ? Loss::kNone : Loss::kClosed;
}

Status Connection::Broken() {
  std::string text = PQerrorMessage(connection_.get());
  const char* password = PQpass(connection_.get());
  return ErrorOf("", Scrub(text.empty() ? "the connection was lost" : text, password ? password : ""), name_);
}

Status Connection::Silent() {
  silent_ = true;
  return ErrorOf("", fmt::format("no answer within {} ms", answer_timeout_ms_), name_);
}

Status Connection::AwaitSent(Deadline deadline) {
  for (;;) {
    int more = PQflush(connection_.get());
    if (more == 0) return Status::OK();
    if (more < 0) return Broken();
    short ready = Await(PQsocket(connection_.get()), POLLIN | POLLOUT, deadline);
    if (ready == 0) return Silent();
    if ((ready & POLLIN) != 0 && PQconsumeInput(connection_.get()) == 0) return Broken();
  }
}

Result<Rows> Connection::ReadAnswer(Deadline deadline) {
  std::optional<Rows> rows;
  Status error;
  for (;;) {
    while (PQisBusy(connection_.get()) != 0) {
      if (Await(PQsocket(connection_.get()), POLLIN, deadline) == 0) return Silent();
      if (PQconsumeInput(connection_.get()) == 0) return error.ok() ? Broken() : error;
    }
    PGresult* result = PQgetResult(connection_.get());
    if (!result) break;
    rows.emplace(result);
    ExecStatusType status = PQresultStatus(result);
    if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK || !error.ok()) continue;
    auto field = [&](int code) {
      const char* text = PQresultErrorField(result, code);
      return std::string(text ? text : "");
    };
    state_ = field(PG_DIAG_SQLSTATE);
    std::string message = field(PG_DIAG_MESSAGE_PRIMARY);
    error = message.empty() ? Broken() : ErrorOf(state_, message, name_, purpose_);
    if (PQstatus(connection_.get()) != CONNECTION_OK) return error;
  }
  ARROW_RETURN_NOT_OK(error);
  if (!rows) return Broken();
  return std::move(*rows);
}

Result<Rows> Connection::Execute(const std::string& sql, const std::vector<Parameter>& parameters) {
  state_.clear();
  std::vector<const char*> values;
  for (const Parameter& parameter : parameters) values.push_back(parameter ? parameter->c_str() : nullptr);
  // The types are left to the server: it takes those of the columns, whatever they are.
  int sent = parameters.empty() ? PQsendQuery(connection_.get(), sql.c_str())
                                : PQsendQueryParams(connection_.get(), sql.c_str(), static_cast<int>(values.size()),
                                                    nullptr, values.data(), nullptr, nullptr, 0);
  if (sent == 0) return Broken();
  Deadline deadline = Steady::now() + milliseconds(answer_timeout_ms_);
  ARROW_RETURN_NOT_OK(AwaitSent(deadline));
  return ReadAnswer(deadline);
}

void Connection::Rollback() {
  if (loss() != Loss::kNone) return;
  std::string state = state_;
  static_cast<void>(Execute("ROLLBACK"));  // the server does it by itself where it does not hear of it
  state_ = std::move(state);
}

}  // namespace calve::postgres
