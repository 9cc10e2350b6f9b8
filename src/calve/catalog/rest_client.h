// Requests to one REST catalog: who calve is, how often they are tried, and what their outcome proves.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "calve/base/stop.h"
#include "calve/catalog/rest_auth.h"
#include "calve/catalog/rest_outcome.h"
#include "calve/catalog/rest_settings.h"
#include "calve/http/http_client.h"

namespace calve::catalog {

struct RestRequest {
  std::string method = "GET";
  std::string path;  // behind the server's URL, with the query
  std::string body = {};
  std::string what = {};             // "loading cold.trades", for messages
  bool is_change = false;            // sent once, on a connection of its own, unless it is proven that nothing was done
  bool is_harmless = false;          // a change that may be made twice (a namespace)
  std::string idempotency_key = {};  // of a change: sent again with the same key where its outcome is unknown
};

// Thread-safe. `auth`, `clock` and `stop` must outlive it.
class RestClient {
 public:
  static Result<std::unique_ptr<RestClient>> Make(const RestOptions& options, RestSettings settings, RestAuth& auth,
                                                  const Clock& clock, const StopToken& stop);

  // The body of a 2xx answer. Errors as rest_outcome.h has them, kStopped, and kUnknownOutcome for a change that was
  // tried before with an unknown outcome and is refused now: that may be its own doing. Reads, and changes that are
  // proven not to have been made, are tried again within the limits of RestOptions::retry, no sooner than Retry-After
  // says; a 401 or 419 once with a new token.
  Result<std::string> Send(const RestRequest& request);

  const RestSettings& settings() const { return settings_; }
  const std::string& origin() const { return reads_.endpoint().origin; }

 private:
  RestClient(const RestOptions& options, RestSettings settings, http::HttpEndpoint endpoint, std::string base_path,
             RestAuth& auth, const Clock& clock, const StopToken& stop);

  // One try.
  struct Try {
    RestVerdict verdict = RestVerdict::kRefused;
    Status error;      // of what is not kDone
    std::string body;  // of kDone
    std::string used_token;
    int64_t wait_ms = 0;  // that the server asks for
  };
  Try TryOnce(const RestRequest& request);
  Status WaitForServer();
  void KeepAway(int64_t ms);

  // Constant after construction.
  const RestOptions options_;
  const RestSettings settings_;
  const std::string base_path_;
  RestAuth& auth_;
  const Clock& clock_;
  const StopToken never_stopped_;

  http::HttpClient reads_;
  http::HttpClient changes_;  // a change under way is not cut short: its outcome would be unknown

  std::mutex mutex_;
  std::chrono::steady_clock::time_point not_before_;  // protected by mutex_: when the server wants to be asked again
};

}  // namespace calve::catalog
