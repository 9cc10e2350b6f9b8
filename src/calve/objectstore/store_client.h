// One request to a store until it is answered for good: tries, waits with jitter between them, renewal of credentials.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "calve/base/retry.h"
#include "calve/base/time.h"
#include "calve/http/http_client.h"
#include "calve/objectstore/store_options.h"

namespace calve::objectstore {

struct StoreRequest {
  std::string method;
  std::string origin;                // scheme://host:port
  std::string target;                // path and query, encoded
  std::vector<std::string> headers;  // "Name: value"
  std::shared_ptr<arrow::Buffer> body = nullptr;
  std::string action, location;  // for messages: "read", "s3://bucket/key"
  bool is_repeatable = true;     // doing it twice is doing it once
  bool is_stoppable = false;     // moves data: a stop ends it; other calls are finished
};

// What is added to a request so that the store knows who asks.
class Authorizer {
 public:
  virtual ~Authorizer() = default;
  virtual Status Authorize(const StoreRequest& request, std::vector<std::string>* headers) = 0;
  // After an answer that says that the credentials have expired. False where there are no newer ones.
  virtual Result<bool> Renew(const StoreRequest& request) = 0;
};

// What an answer means in a store's own words.
class Dialect {
 public:
  enum class Answer {
    kFinal,        // it is one, good or bad
    kTryAgain,     // transient; what was asked for may have been done
    kNotDone,      // transient, and certainly not done
    kCredentials,  // not done: the credentials have expired
  };
  virtual ~Dialect() = default;
  virtual Answer Read(const StoreRequest& request, const http::HttpResponse& response) const = 0;
  // "503 SlowDown: Please reduce your request rate"
  virtual std::string Describe(const http::HttpResponse& response) const = 0;
};

// Thread-safe. `dialect`, `stop` and `clock` must outlive it.
class StoreClient {
 public:
  StoreClient(const StoreOptions& options, const Dialect& dialect, const StopToken& stop, const Clock& clock);

  // The final answer. kRetry: none came within the tries, or none that was final; kUnknownOutcome where what was asked
  // for is not repeatable and may have been done; kConfig: certificates; kStopped.
  Result<http::HttpResponse> Send(const StoreRequest& request, Authorizer& authorizer);

  const Clock& clock() const { return clock_; }

 private:
  struct Clients {
    std::unique_ptr<http::HttpClient> stoppable, others;
  };
  http::HttpClient& ClientOf(const StoreRequest& request);
  http::HttpEndpoint EndpointOf(const std::string& origin) const;
  Status WaitBeforeTry(int attempt, int64_t elapsed_ms, const http::HttpResponse* answer, const StoreRequest& request);

  // Constant after construction.
  const StoreOptions options_;
  const RetryPolicy policy_;
  const Dialect& dialect_;
  const StopToken& stop_;
  const StopToken never_;
  const Clock& clock_;

  std::mutex mutex_;
  std::map<std::string, Clients> clients_;  // by origin; protected by mutex_, what it points to is not
};

}  // namespace calve::objectstore
