// Small whole answers from one server: a call in, a response out. What catalogs and stores speak REST with.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "calve/base/stop.h"
#include "calve/http/http_connection.h"

namespace calve::http {

struct HttpResponse {
  int status = 0;
  std::map<std::string, std::string> headers;  // lower-case names
  std::string body;

  const std::string& header(const std::string& lower_case_name) const;  // empty where there is none
};

// Thread-safe: calls may run side by side, each on a connection of its own. `stop` must outlive it.
class HttpClient {
 public:
  HttpClient(HttpEndpoint endpoint, const StopToken& stop, int64_t body_bytes_max = 64 << 20);

  enum class Connection {
    kAny,    // one that was used before may be taken: for what may be sent twice
    kFresh,  // never one that the server may have closed meanwhile, upon which libcurl would send the request again
  };
  // One try; any status is a response, with its body read to the proven end (an answer that was cut is kRetry).
  // Errors as HttpConnection's. `nothing_was_sent`, where given, tells after an error whether the request certainly did
  // not go out; else what it asks for may have happened.
  Result<HttpResponse> Call(const HttpRequest& request, Connection connection = Connection::kAny,
                            bool* nothing_was_sent = nullptr);

  const HttpEndpoint& endpoint() const { return endpoint_; }
  const StopToken& stop() const { return stop_; }
  Status Wait(int64_t ms) const;  // kStopped where a stop comes first

 private:
  Result<HttpResponse> CallOn(HttpConnection& connection, const HttpRequest& request);

  // Constant after construction.
  const HttpEndpoint endpoint_;
  const StopToken& stop_;
  const int64_t body_bytes_max_;

  std::mutex mutex_;
  std::vector<std::unique_ptr<HttpConnection>> idle_;  // protected by mutex_
};

// "Retry-After: 7" or an HTTP date, in milliseconds from `now_ms` (since the epoch); `otherwise` where there is none or
// it is not understood.
int64_t RetryAfterMs(const HttpResponse& response, int64_t now_ms, int64_t otherwise);

}  // namespace calve::http
