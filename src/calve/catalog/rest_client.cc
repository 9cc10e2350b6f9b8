#include "calve/catalog/rest_client.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "calve/base/random.h"
#include "calve/catalog/gzip.h"

namespace calve::catalog {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr int64_t kAnswerBytesMax = int64_t{1} << 30;

int64_t MsSince(SteadyClock::time_point then) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(SteadyClock::now() - then).count();
}

// Not asked for, but some proxies compress all the same.
Result<std::string> Unpacked(http::HttpResponse& response) {
  if (response.header("content-encoding") != "gzip") return std::move(response.body);
  return Gunzip(response.body, static_cast<size_t>(kAnswerBytesMax));
}

}  // namespace

Result<std::unique_ptr<RestClient>> RestClient::Make(const RestOptions& options, RestSettings settings, RestAuth& auth,
                                                     const Clock& clock, const StopToken& stop) {
  std::string base_path;
  ARROW_ASSIGN_OR_RAISE(auto endpoint, RestEndpointOf(options, settings.uri, &base_path));
  return std::unique_ptr<RestClient>(
      new RestClient(options, std::move(settings), std::move(endpoint), std::move(base_path), auth, clock, stop));
}

RestClient::RestClient(const RestOptions& options, RestSettings settings, http::HttpEndpoint endpoint,
                       std::string base_path, RestAuth& auth, const Clock& clock, const StopToken& stop)
    : options_(options),
      settings_(std::move(settings)),
      base_path_(std::move(base_path)),
      auth_(auth),
      clock_(clock),
      reads_(endpoint, stop, kAnswerBytesMax),
      changes_(endpoint, never_stopped_, kAnswerBytesMax) {}

Result<std::string> RestClient::Send(const RestRequest& request) {
  const auto began = SteadyClock::now();
  bool was_unknown = false, renewed = false;
  Status last;
  for (int attempt = 1;; ++attempt) {
    last = WaitForServer();
    if (!last.ok()) break;
    Try tried = TryOnce(request);
    if (tried.verdict == RestVerdict::kDone) return std::move(tried.body);
    last = tried.error;
    if (tried.verdict == RestVerdict::kNewToken && !renewed && auth_.Renew(tried.used_token)) {
      renewed = true;
      --attempt;
      continue;
    }
    was_unknown |= tried.verdict == RestVerdict::kUnknown;
    const bool repeats_unknown = !request.idempotency_key.empty() || request.is_harmless;
    const bool may_repeat =
        tried.verdict == RestVerdict::kAgain || (tried.verdict == RestVerdict::kUnknown && repeats_unknown);
    const int64_t wait_ms = std::max(tried.wait_ms, options_.retry.WaitMs(attempt + 1, RandomUnit()));
    if (!may_repeat || !options_.retry.MayTry(attempt + 1, MsSince(began) + wait_ms)) break;
    const Status waited = reads_.Wait(wait_ms);
    if (!waited.ok()) {
      last = was_unknown ? last : waited;
      break;
    }
  }
  if (was_unknown && !request.is_harmless && KindOf(last) != ErrorKind::kUnknownOutcome) {
    last = WithKind(WithContext(last, "tried before with an unknown outcome"), ErrorKind::kUnknownOutcome);
  }
  return last;
}

RestClient::Try RestClient::TryOnce(const RestRequest& request) {
  Try tried;
  http::HttpRequest http;
  http.method = request.method;
  http.target = base_path_ + request.path;
  http.body = request.body;
  http.headers = {"Accept: application/json", "User-Agent: calve/" CALVE_VERSION};
  // Also without one: curl would call what a DELETE lacks a form, which Nessie refuses.
  if (request.method != "GET") http.headers.push_back("Content-Type: application/json");
  if (!request.idempotency_key.empty()) http.headers.push_back("Idempotency-Key: " + request.idempotency_key);
  for (const auto& [name, value] : settings_.headers) http.headers.push_back(fmt::format("{}: {}", name, value));
  tried.error = auth_.Authorize(settings_, reads_.endpoint().origin, http, tried.used_token);
  if (!tried.error.ok()) {
    tried.error = WithContext(tried.error, request.what);
    return tried;
  }
  bool nothing_was_sent = false;
  const bool is_change = request.is_change;
  auto response = is_change ? changes_.Call(http, http::HttpClient::Connection::kFresh, &nothing_was_sent)
                            : reads_.Call(http, http::HttpClient::Connection::kAny, &nothing_was_sent);
  if (!response.ok()) {
    tried.error = RestConnectionError(response.status(), is_change, nothing_was_sent, request.what);
    const ErrorKind kind = KindOf(tried.error);
    tried.verdict = kind == ErrorKind::kUnknownOutcome ? RestVerdict::kUnknown
                    : kind == ErrorKind::kRetry        ? RestVerdict::kAgain
                                                       : RestVerdict::kRefused;
    return tried;
  }
  tried.verdict = JudgeRestAnswer(response->status, is_change);
  if (tried.verdict == RestVerdict::kDone) {
    auto body = Unpacked(*response);
    if (body.ok()) {
      tried.body = std::move(*body);
    } else {
      tried.error = WithContext(body.status(), request.what);
      tried.verdict = is_change ? RestVerdict::kUnknown : RestVerdict::kRefused;
      if (is_change) tried.error = WithKind(tried.error, ErrorKind::kUnknownOutcome);
    }
    return tried;
  }
  if (response->status == 429 || response->status == 503) {
    tried.wait_ms = http::RetryAfterMs(*response, clock_.Now() / 1000, 0);
    KeepAway(tried.wait_ms);
  }
  response->body = auth_.Redacted(std::move(response->body));
  tried.error = RestAnswerError(*response, is_change, request.what, origin());
  return tried;
}

void RestClient::KeepAway(int64_t ms) {
  std::lock_guard lock(mutex_);
  not_before_ = std::max(not_before_, SteadyClock::now() + std::chrono::milliseconds(ms));
}

Status RestClient::WaitForServer() {
  SteadyClock::time_point until;
  {
    std::lock_guard lock(mutex_);
    until = not_before_;
  }
  const int64_t ms = -MsSince(until);
  if (ms <= 0) return Status::OK();
  if (ms > options_.retry.total_max_ms) {
    return MakeError(ErrorKind::kRetry,
                     fmt::format("{} asks to be left alone for {} more seconds", origin(), ms / 1000),
                     "Run again later; see why the catalog is overloaded or limits requests.");
  }
  return reads_.Wait(ms);
}

}  // namespace calve::catalog
