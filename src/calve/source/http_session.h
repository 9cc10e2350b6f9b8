// ClickHouse's HTTP interface: one statement in, the answer's connection out. Retries, refusals and errors are dealt
// with here. https://clickhouse.com/docs/interfaces/http
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "calve/base/stop.h"
#include "calve/http/http_connection.h"
#include "calve/source/server_exception.h"
#include "calve/source/settings_offer.h"
#include "calve/source/source.h"
#include "calve/source/source_url.h"

namespace calve::source {

// Thread-safe. Shared with the streams that give their connections back to it.
class HttpSession {
 public:
  HttpSession(const SourceUrl& url, const SourceOptions& options, const StopToken& stop);

  struct Statement {
    std::string sql;
    std::string query_id, comment, traceparent;
    std::map<std::string, std::string> settings;
    bool is_query = true;  // false: it changes something, and must not run twice
    // The data behind an INSERT, which then travels in the URL; not a query. Asked for once.
    std::function<Result<std::shared_ptr<arrow::Buffer>>()> next_data;
  };
  // One try. The connection of an answer with status 200 whose body is still to be read; all others are errors.
  // `not_begun` is set where the server has certainly not begun the statement.
  Result<std::unique_ptr<http::HttpConnection>> Ask(const Statement& statement, bool* not_begun);

  // The body of a small answer; kCorrupt beyond a few MiB.
  Result<std::string> ReadText(http::HttpConnection* connection) const;
  // For another statement; closed where its answer was not read to the end.
  void GiveBack(std::unique_ptr<http::HttpConnection> connection);
  // The server's own exception, with who and where.
  Status Explain(const ServerException& exception) const;
  // An error of a query, with what it is called in query_log.
  Status WithQueryId(const Status& status, const std::string& query_id) const;
  Status Wait(int64_t ms) const;  // kStopped where a stop comes first

  const std::string& where() const { return where_; }  // "ClickHouse at http://host:8123"
  const std::string& origin() const { return endpoint_.origin; }
  const std::string& user() const { return url_.user; }
  const std::string& name() const { return name_; }
  const std::string& database() const { return url_.database; }
  const StopToken& stop() const { return stop_; }
  int attempts_max() const { return options_.attempts_max; }
  bool compresses() const;  // what is sent

 private:
  Result<std::unique_ptr<http::HttpConnection>> Connection(bool may_be_used);
  std::string TargetOf(const Statement& statement, const SettingsOffer& offer) const;
  std::vector<std::string> HeadersOf(const Statement& statement, const SettingsOffer& offer) const;
  std::string AcceptedEncodings(const SettingsOffer& offer) const;
  Result<std::unique_ptr<http::HttpConnection>> AskOnce(const Statement& statement, const SettingsOffer& offer,
                                                        bool* not_begun, ServerException* error);
  // The status for an answer that is no 200, or carries an exception code.
  Status ErrorOf(http::HttpConnection* connection, ServerException* error) const;
  Status CheckProfile(SettingsOffer* offer);

  // Constant after construction.
  const SourceUrl url_;
  const SourceOptions options_;
  const StopToken& stop_;
  const std::string name_, where_;
  http::HttpEndpoint endpoint_;

  std::mutex mutex_;
  SettingsOffer offer_;                                      // protected by mutex_
  std::vector<std::unique_ptr<http::HttpConnection>> idle_;  // protected by mutex_
};

}  // namespace calve::source
