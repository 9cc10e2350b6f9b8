#include "calve/http/http_client.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <thread>

namespace calve::http {
namespace {

constexpr size_t kIdleMax = 4;
constexpr int64_t kPauseStopPollMs = 25;

}  // namespace

const std::string& HttpResponse::header(const std::string& lower_case_name) const {
  static const std::string kNone;
  const auto found = headers.find(lower_case_name);
  return found == headers.end() ? kNone : found->second;
}

HttpClient::HttpClient(HttpEndpoint endpoint, const StopToken& stop, int64_t body_bytes_max)
    : endpoint_(std::move(endpoint)), stop_(stop), body_bytes_max_(body_bytes_max) {}

Result<HttpResponse> HttpClient::Call(const HttpRequest& request, Connection kind, bool* nothing_was_sent) {
  std::unique_ptr<HttpConnection> connection;
  if (kind == Connection::kAny) {
    std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      connection = std::move(idle_.back());
      idle_.pop_back();
    }
  }
  if (nothing_was_sent) *nothing_was_sent = true;
  if (!connection) {
    ARROW_ASSIGN_OR_RAISE(connection, HttpConnection::Make(endpoint_));
  }
  auto response = CallOn(*connection, request);
  if (nothing_was_sent) *nothing_was_sent = !response.ok() && connection->nothing_was_sent();
  if (connection->finished()) {
    std::lock_guard lock(mutex_);
    if (idle_.size() < kIdleMax) idle_.push_back(std::move(connection));
  }
  return response;
}

Result<HttpResponse> HttpClient::CallOn(HttpConnection& connection, const HttpRequest& request) {
  ARROW_RETURN_NOT_OK(connection.Exchange(request, stop_));
  HttpResponse response;
  response.status = connection.status();
  response.headers = connection.headers();
  while (true) {
    ARROW_ASSIGN_OR_RAISE(auto chunk, connection.NextChunk(stop_));
    if (!chunk) break;
    if (connection.body_bytes() > body_bytes_max_) {
      return MakeError(ErrorKind::kCorrupt,
                       fmt::format("{}: an answer of more than {} MiB", endpoint_.origin, body_bytes_max_ >> 20));
    }
    response.body.append(reinterpret_cast<const char*>(chunk->data()), static_cast<size_t>(chunk->size()));
  }
  return response;
}

Status HttpClient::Wait(int64_t ms) const {
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(ms);
  while (true) {
    ARROW_RETURN_NOT_OK(stop_.Check());
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(end - std::chrono::steady_clock::now()).count();
    if (left <= 0) return Status::OK();
    std::this_thread::sleep_for(std::chrono::milliseconds(std::min<int64_t>(left, kPauseStopPollMs)));
  }
}

int64_t RetryAfterMs(const HttpResponse& response, int64_t now_ms, int64_t otherwise) {
  const std::string& text = response.header("retry-after");
  if (text.empty()) return otherwise;
  int64_t seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error == std::errc() && end == text.data() + text.size() && seconds >= 0 && seconds < 1'000'000) {
    return seconds * 1000;
  }
  const time_t date = curl_getdate(text.c_str(), nullptr);
  return date < 0 ? otherwise : std::max<int64_t>(0, static_cast<int64_t>(date) * 1000 - now_ms);
}

}  // namespace calve::http
