// The HTTP server of `calve serve`: a few threads, answers that are made whole, and requests that are bounded in size
// and time, so that nobody who can reach it can take more than that.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "calve/base/error.h"
#include "calve/http/listen_address.h"

namespace calve::serve {

struct HttpAnswer {
  int status = 200;
  std::string body;
  std::string content_type = "text/plain; charset=utf-8";
};

// Called by the server's threads, several at once. What it throws is answered with 500.
using HttpHandler = std::function<HttpAnswer()>;

struct HttpLimits {
  size_t threads = 2;
  size_t waiting_max = 16;                  // connections that wait for a thread; more wait in the kernel
  int64_t request_bytes_max = 16 << 10;     // of one request: line, headers and body
  int64_t request_micros_max = 10'000'000;  // from its first byte to the last of its answer
};

class HttpServer {
 public:
  // Listens when it returns. `handlers` answer GET and HEAD by path ("/metrics"); all else is 404. kConfig where the
  // address cannot be listened at.
  static Result<std::unique_ptr<HttpServer>> Start(const http::ListenAddress& address,
                                                   std::map<std::string, HttpHandler> handlers,
                                                   const HttpLimits& limits = {});
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
