#include "calve/source/http_session.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

#include "calve/http/percent_encoding.h"
#include "calve/source/content_encoding.h"
#include "calve/source/native_decoder.h"

namespace calve::source {
namespace {

constexpr size_t kIdleMax = 4;
constexpr size_t kTextBytesMax = 4 << 20;
constexpr int kAuthenticationFailed = 516;
constexpr int kRefusalsMax = 24;  // more than there are settings to refuse

// The server refused to begin: TOO_MANY_SIMULTANEOUS_QUERIES, CANNOT_SCHEDULE_TASK, SERVER_OVERLOADED.
bool IsRefusalToBegin(int code) { return code == 202 || code == 439 || code == 745; }

std::string FirstLine(const std::string& text) {
  std::string line = text.substr(0, std::min<size_t>(text.find('\n'), 300));
  std::erase_if(line, [](unsigned char c) { return c < ' '; });
  return line;
}

}  // namespace

HttpSession::HttpSession(const SourceUrl& url, const SourceOptions& options, const StopToken& stop)
    : url_(url),
      options_(options),
      stop_(stop),
      name_(fmt::format("{}://{}@{}/{}", url.scheme == SourceScheme::kHttps ? "https" : "http", url.user,
                        url.Origin().substr(url.Origin().find("//") + 2), url.database)),
      where_("ClickHouse at " + url.Origin()),
      offer_(kNativeRevision) {
  endpoint_.origin = url.Origin();
  endpoint_.is_loopback = url.IsLoopback();
  endpoint_.ca_file = options.ca_file;
  endpoint_.client_cert_file = options.client_cert_file;
  endpoint_.client_key_file = options.client_key_file;
  endpoint_.connect_timeout_ms = options.connect_timeout_ms;
  endpoint_.idle_timeout_ms = options.idle_timeout_ms;
  endpoint_.remedies = {
      .certificate =
          "name the PEM file of the authority that signed it (--source-ca-file), correct the host name, or "
          "give the client certificate that the server asks for (--source-cert-file, --source-key-file)",
      .resolve = "check the host name in the source URL",
      .tls = "check that this port speaks https (ClickHouse: 8443), and not http (8123)",
      .connect = "check that ClickHouse runs there and that its HTTP port can be reached from here",
      .not_http = "use ClickHouse's HTTP port (8123, or 8443 for https), not that of its native protocol (9000)",
  };
}

std::string HttpSession::AcceptedEncodings(const SettingsOffer& offer) const {
  if (options_.compression == "none") return "";
  if (options_.compression != "auto") return options_.compression;
  if (url_.IsLoopback()) return "";
  // One at a time: a server that is offered several takes gzip, the slowest. One that does not know zstd sends plain
  // bytes.
  return offer.is_old_server() ? "gzip" : "zstd";
}

bool HttpSession::compresses() const {
  return options_.compression != "none" && !(options_.compression == "auto" && url_.IsLoopback());
}

std::string HttpSession::TargetOf(const Statement& statement, const SettingsOffer& offer) const {
  std::string target =
      "/?database=" + http::PercentEncoded(url_.database) + "&query_id=" + http::PercentEncoded(statement.query_id);
  if (statement.is_query) {
    for (const auto& [name, value] : offer.offered()) {
      if (statement.settings.contains(name)) continue;
      if (name != SettingsOffer::kComment) {
        target += "&" + name + "=" + value;
      } else if (!statement.comment.empty()) {
        target += "&" + name + "=" + http::PercentEncoded(statement.comment);
      }
    }
    if (!AcceptedEncodings(offer).empty()) target += "&enable_http_compression=1";
  }
  for (const auto& [name, value] : statement.settings)
    target += "&" + http::PercentEncoded(name) + "=" + http::PercentEncoded(value);
  if (statement.next_data) target += "&query=" + http::PercentEncoded(statement.sql);
  return target;
}

std::vector<std::string> HttpSession::HeadersOf(const Statement& statement, const SettingsOffer& offer) const {
  std::vector<std::string> headers = {"Content-Type: text/plain; charset=UTF-8", "User-Agent: calve/" CALVE_VERSION,
                                      "X-ClickHouse-User: " + url_.user};
  if (!options_.password.empty()) headers.push_back("X-ClickHouse-Key: " + options_.password);
  if (!statement.traceparent.empty()) headers.push_back("traceparent: " + statement.traceparent);
  const std::string accepted = AcceptedEncodings(offer);
  if (statement.is_query && !accepted.empty()) headers.push_back("Accept-Encoding: " + accepted);
  return headers;
}

Result<std::unique_ptr<http::HttpConnection>> HttpSession::Connection(bool may_be_used) {
  {
    std::lock_guard lock(mutex_);
    if (may_be_used && !idle_.empty()) {
      auto connection = std::move(idle_.back());
      idle_.pop_back();
      return connection;
    }
  }
  return http::HttpConnection::Make(endpoint_);
}

void HttpSession::GiveBack(std::unique_ptr<http::HttpConnection> connection) {
  if (!connection->finished()) return;
  std::lock_guard lock(mutex_);
  if (idle_.size() < kIdleMax) idle_.push_back(std::move(connection));
}

Result<std::unique_ptr<http::HttpConnection>> HttpSession::Ask(const Statement& statement, bool* not_begun) {
  *not_begun = true;
  if (statement.next_data) {  // nothing of ours in it that could be refused, and data that cannot be sent again
    ServerException error;
    return AskOnce(statement, SettingsOffer(0), not_begun, &error);
  }
  for (int refusals = 0; refusals < kRefusalsMax; ++refusals) {
    SettingsOffer offer = [this] {
      std::lock_guard lock(mutex_);
      return offer_;
    }();
    ServerException error;
    auto answer = AskOnce(statement, offer, not_begun, &error);
    if (answer.ok() || error.code == 0 || !offer.Refused(error.code, error.message)) return answer;
    ARROW_RETURN_NOT_OK(CheckProfile(&offer));
    std::lock_guard lock(mutex_);
    offer_ = std::move(offer);
  }
  return MakeError(ErrorKind::kFailed, where_ + ": refuses every form of the request");
}

Result<std::unique_ptr<http::HttpConnection>> HttpSession::AskOnce(const Statement& statement,
                                                                   const SettingsOffer& offer, bool* not_begun,
                                                                   ServerException* error) {
  // On a kept-alive connection that is closed without an answer, libcurl sends the request again by itself: right for a
  // query, but a statement could be done twice. It never does so on a fresh one.
  ARROW_ASSIGN_OR_RAISE(auto connection, Connection(statement.is_query));
  const http::HttpRequest request{TargetOf(statement, offer), HeadersOf(statement, offer),
                                  statement.next_data ? "" : statement.sql, statement.next_data};
  const Status sent = connection->Exchange(request, stop_);
  *not_begun = !sent.ok() && connection->nothing_was_sent();
  ARROW_RETURN_NOT_OK(sent);
  if (connection->status() == 200 && connection->header("x-clickhouse-exception-code").empty()) {
    if (connection->end_is_provable()) return connection;
    return MakeError(ErrorKind::kFailed,
                     where_ + ": the answer has neither a length nor chunks: a whole one cannot be told from a cut one",
                     "see what stands between calve and ClickHouse: it has to speak HTTP/1.1");
  }
  Status status = ErrorOf(connection.get(), error);
  if (error->code != 0 && error->code != kAuthenticationFailed) status = WithQueryId(status, statement.query_id);
  *not_begun = connection->status() == 429 || IsRefusalToBegin(error->code);
  GiveBack(std::move(connection));
  return status;
}

Status HttpSession::ErrorOf(http::HttpConnection* connection, ServerException* error) const {
  const int status = connection->status();
  auto text = ReadText(connection);
  ARROW_RETURN_NOT_OK(stop_.Check());
  const std::string line = FirstLine(text.ValueOr(""));
  if (auto exception = ParseServerException(text.ValueOr(""))) *error = std::move(*exception);
  if (const int code = std::atoi(connection->header("x-clickhouse-exception-code").c_str());
      code != 0 && error->code == 0) {
    *error = {code, line, KindOfServerError(code), ""};
  }
  if (error->code != 0) return Explain(*error);
  const std::string said = fmt::format("{}: HTTP status {}{}{}", where_, status, line.empty() ? "" : ": ", line);
  if (status == 401 || status == 403) return Explain({kAuthenticationFailed, "", ErrorKind::kConfig, ""});
  if (status >= 300 && status < 400) {
    return MakeError(ErrorKind::kConfig, said + ", to " + connection->header("location"),
                     "use that address as the source: redirects are not followed");
  }
  if (status >= 500 || status == 429 || status == 408) {
    return MakeError(ErrorKind::kRetry, said,
                     "the server, or a proxy before it, is overloaded or restarting: try later");
  }
  return MakeError(ErrorKind::kConfig, said, "check that this is ClickHouse's HTTP port (8123, or 8443 for https)");
}

Status HttpSession::Explain(const ServerException& exception) const {
  switch (exception.code) {
    case 192:
    case 193:
    case 194:
    case kAuthenticationFailed:  // UNKNOWN_USER, WRONG_PASSWORD, REQUIRED_PASSWORD
      return MakeError(ErrorKind::kConfig, fmt::format("{}: wrong user or password for user '{}'", where_, url_.user),
                       "check the user in the source URL and the password in CALVE_SOURCE_PASSWORD or password_file");
    default:
      return MakeError(exception.kind, fmt::format("{}: Code {}: {}", where_, exception.code, exception.message),
                       exception.remedy);
  }
}

Status HttpSession::WithQueryId(const Status& status, const std::string& query_id) const {
  if (status.ok() || MessageOf(status).find(query_id) != std::string::npos) return status;
  return MakeError(KindOf(status), fmt::format("{} (query_id {})", MessageOf(status), query_id), RemedyOf(status));
}

// The user may not set what keeps results whole: then it has to be so in the profile already.
Status HttpSession::CheckProfile(SettingsOffer* offer) {
  Statement statement;
  statement.sql = offer->profile_query();
  if (statement.sql.empty()) return Status::OK();
  statement.sql += " FORMAT TabSeparated";
  statement.is_query = false;  // asks for nothing else
  bool not_begun = false;
  ServerException error;
  ARROW_ASSIGN_OR_RAISE(auto connection, AskOnce(statement, *offer, &not_begun, &error));
  ARROW_ASSIGN_OR_RAISE(const std::string text, ReadText(connection.get()));
  GiveBack(std::move(connection));
  std::vector<std::pair<std::string, std::string>> rows;
  for (std::string_view rest = text; !rest.empty();) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    const size_t tab = line.find('\t');
    if (tab != std::string_view::npos) rows.emplace_back(line.substr(0, tab), line.substr(tab + 1));
  }
  return offer->CheckProfile(rows, url_.user);
}

Result<std::string> HttpSession::ReadText(http::HttpConnection* connection) const {
  ARROW_ASSIGN_OR_RAISE(auto decoder, ContentDecoder::Make(connection->header("content-encoding"),
                                                           [&] { return connection->NextChunk(stop_); }));
  std::string text;
  while (true) {
    ARROW_ASSIGN_OR_RAISE(auto chunk, decoder->Next());
    if (!chunk) return text;
    if (text.size() + chunk->size() > kTextBytesMax) {
      return MakeError(ErrorKind::kCorrupt, where_ + ": an answer of more than 4 MiB where a few words were expected");
    }
    text.append(reinterpret_cast<const char*>(chunk->data()), chunk->size());
  }
}

Status HttpSession::Wait(int64_t ms) const {
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(ms);
  while (true) {
    ARROW_RETURN_NOT_OK(stop_.Check());
    const auto left = end - std::chrono::steady_clock::now();
    if (left <= left.zero()) return Status::OK();
    std::this_thread::sleep_for(std::min<std::chrono::steady_clock::duration>(left, std::chrono::milliseconds(20)));
  }
}

}  // namespace calve::source
