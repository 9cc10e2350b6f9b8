#include "calve/objectstore/store_client.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "calve/base/random.h"
#include "calve/http/sigv4.h"

namespace calve::objectstore {
namespace {

constexpr int64_t kWaitMinMs = 100;
constexpr int64_t kWaitMaxMs = 20'000;
constexpr int64_t kTotalMaxMs = 180'000;   // no try begins later
constexpr int64_t kAfterStopMaxMs = 5000;  // nor later than this once a stop was asked for
constexpr int64_t kPollMs = 25;
constexpr int64_t kBodyBytesMax = int64_t{2} << 30;  // of a whole object: metadata files have that limit, too

int64_t SteadyMs() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

bool IsLoopback(const std::string& origin) {
  std::string host = http::HostOf(origin);
  if (host.starts_with('[')) return host.starts_with("[::1]");
  host = host.substr(0, host.find(':'));
  return host == "localhost" || host.ends_with(".localhost") || host.starts_with("127.");
}

}  // namespace

StoreClient::StoreClient(const StoreOptions& options, const Dialect& dialect, const StopToken& stop, const Clock& clock)
    : options_(options),
      policy_{static_cast<int>(options.attempts_max), kWaitMinMs, kWaitMaxMs, kTotalMaxMs},
      dialect_(dialect),
      stop_(stop),
      clock_(clock) {}

http::HttpEndpoint StoreClient::EndpointOf(const std::string& origin) const {
  http::HttpEndpoint endpoint;
  endpoint.origin = origin;
  endpoint.is_loopback = IsLoopback(origin);
  endpoint.ca_file = options_.ca_file;
  endpoint.connect_timeout_ms = options_.connect_timeout_micros / 1000;
  endpoint.idle_timeout_ms = options_.idle_timeout_micros / 1000;
  endpoint.remedies.certificate =
      "Name the authority that signed the store's certificate with --store-ca-file (store: ca_file), have an expired "
      "one "
      "renewed, and use the host name that it was made for.";
  endpoint.remedies.resolve = "Check the name of the end point (--store-endpoint), the bucket and the region.";
  endpoint.remedies.tls = "Check whether the end point speaks TLS (https://) or not (http://).";
  endpoint.remedies.connect = "Check the end point (--store-endpoint) and that the store is up.";
  endpoint.remedies.not_http = "Check the end point (--store-endpoint): its port, and http:// or https://.";
  return endpoint;
}

http::HttpClient& StoreClient::ClientOf(const StoreRequest& request) {
  std::lock_guard lock(mutex_);
  Clients& clients = clients_[request.origin];
  auto& client = request.is_stoppable ? clients.stoppable : clients.others;
  if (!client) {
    client = std::make_unique<http::HttpClient>(EndpointOf(request.origin), request.is_stoppable ? stop_ : never_,
                                                kBodyBytesMax);
  }
  return *client;
}

// Not OK where there is to be no other try; the caller has a better reason than this one's unless it is kStopped.
Status StoreClient::WaitBeforeTry(int attempt, int64_t elapsed_ms, const http::HttpResponse* answer,
                                  const StoreRequest& request) {
  if (!policy_.MayTry(attempt, elapsed_ms)) return MakeError(ErrorKind::kRetry, "tried often enough");
  int64_t wait_ms = policy_.WaitMs(attempt, RandomUnit());
  if (answer) {
    wait_ms = std::max(wait_ms, std::min(http::RetryAfterMs(*answer, clock_.Now() / 1000, 0), kWaitMaxMs));
  }
  for (const int64_t end = SteadyMs() + wait_ms; SteadyMs() < end;) {
    if (request.is_stoppable) ARROW_RETURN_NOT_OK(stop_.Check());
    if (stop_.stopped() && elapsed_ms > kAfterStopMaxMs) return MakeError(ErrorKind::kRetry, "stopping");
    std::this_thread::sleep_for(std::chrono::milliseconds(std::clamp<int64_t>(end - SteadyMs(), 0, kPollMs)));
  }
  return Status::OK();
}

Result<http::HttpResponse> StoreClient::Send(const StoreRequest& request, Authorizer& authorizer) {
  using Connection = http::HttpClient::Connection;
  http::HttpClient& client = ClientOf(request);
  const int64_t began = SteadyMs();
  bool renewed = false;
  for (int attempt = 1;; ++attempt) {
    http::HttpRequest sent;
    sent.method = request.method;
    sent.target = request.target;
    sent.headers = request.headers;
    sent.body_buffer = request.body;
    ARROW_RETURN_NOT_OK(authorizer.Authorize(request, &sent.headers));
    bool nothing_was_sent = false;
    auto response = client.Call(sent, request.is_repeatable ? Connection::kAny : Connection::kFresh, &nothing_was_sent);
    Status failure;
    bool may_be_done = false;
    if (!response.ok()) {
      failure = WithContext(response.status(), fmt::format("cannot {} {}", request.action, request.location));
      may_be_done = !nothing_was_sent;
      if (KindOf(failure) != ErrorKind::kRetry) {
        return may_be_done && !request.is_repeatable ? WithKind(failure, ErrorKind::kUnknownOutcome) : failure;
      }
    } else {
      const Dialect::Answer answer = dialect_.Read(request, *response);
      if (answer == Dialect::Answer::kFinal) return response;
      if (answer == Dialect::Answer::kCredentials) {
        if (renewed) return response;
        renewed = true;
        ARROW_ASSIGN_OR_RAISE(const bool newer, authorizer.Renew(request));
        if (!newer) return response;
        continue;
      }
      may_be_done = answer == Dialect::Answer::kTryAgain;
      failure =
          MakeError(ErrorKind::kRetry,
                    fmt::format("cannot {} {}: {}", request.action, request.location, dialect_.Describe(*response)),
                    "The store is overloaded or has trouble of its own: see its status, and run again.");
    }
    if (may_be_done && !request.is_repeatable) return WithKind(failure, ErrorKind::kUnknownOutcome);
    const int64_t elapsed_ms = SteadyMs() - began;
    const Status wait = WaitBeforeTry(attempt + 1, elapsed_ms, response.ok() ? &*response : nullptr, request);
    if (KindOf(wait) == ErrorKind::kStopped) return wait;
    if (!wait.ok()) {
      return MakeError(KindOf(failure),
                       fmt::format("{} ({} tries in {} s)", MessageOf(failure), attempt, elapsed_ms / 1000),
                       RemedyOf(failure));
    }
  }
}

}  // namespace calve::objectstore
