// The HTTP server of `calve serve`: a few threads, answers that are made whole, and requests that are bounded in size
// and time, so that nobody who can reach it can take more than that. Readers of events are handed to one thread of
// their own (event_hub.h).
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "calve/base/error.h"
#include "calve/http/listen_address.h"
#include "calve/serve/event_hub.h"

namespace calve::serve {

struct HttpRequest {
  std::string method;                          // "GET"; HEAD is answered as GET
  std::string path;                            // as it came, without the query: not decoded
  std::map<std::string, std::string> headers;  // by name in lower case; of several of one name the first
  std::string body;                            // of POST
  std::string client;                          // address

  // Null where there is none.
  const std::string* Header(const std::string& name) const {
    const auto found = headers.find(name);
    return found == headers.end() ? nullptr : &found->second;
  }
};

struct HttpAnswer {
  int status = 200;
  std::string body;
  std::string content_type = "text/plain; charset=utf-8";
  std::vector<std::pair<std::string, std::string>> headers = {};
  bool is_event_stream = false;  // the connection is handed to the events; the body is not sent
};

// Called by the server's threads, several at once. What it throws is answered with 500.
using HttpHandler = std::function<HttpAnswer(const HttpRequest&)>;

struct HttpLimits {
  size_t threads = 4;
  size_t waiting_max = 16;                  // connections that wait for a thread; more wait in the kernel
  int64_t request_bytes_max = 16 << 10;     // of one request: line, headers and body
  int64_t request_micros_max = 10'000'000;  // from its first byte to the last of its answer
};

struct HttpOptions {
  HttpLimits limits = {};
  std::optional<TlsFiles> tls = {};
  EventSource events = {};  // empty: no answer is an event stream
  EventLimits event_limits = {};
};

class HttpServer {
 public:
  // Listens when it returns. kConfig where the address cannot be listened at.
  static Result<std::unique_ptr<HttpServer>> Start(const http::ListenAddress& address, HttpHandler handler,
                                                   HttpOptions options = {});
  // Takes no more connections, gives up those that are not done with their request, and joins its threads.
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // With the port that was chosen.
  const http::ListenAddress& address() const;

 private:
  struct Impl;
  explicit HttpServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace calve::serve
