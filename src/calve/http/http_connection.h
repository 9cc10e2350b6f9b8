// One kept-alive HTTP/1.1 connection that carries one exchange after another; the answer's body is pulled. Knows HTTP,
// and nothing of who speaks it.
#pragma once

#include <arrow/buffer.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "calve/base/error.h"
#include "calve/base/stop.h"

namespace calve::http {

struct HttpEndpoint {
  std::string origin;  // scheme://host:port
  bool is_loopback = false;
  std::string ca_file, client_cert_file, client_key_file;  // PEM; empty: the system's, none
  int64_t connect_timeout_ms = 10'000;
  int64_t idle_timeout_ms = 300'000;  // without a byte while someone waits for one
  // What the operator does about failures of the connection, in words of the service that is spoken to.
  struct Remedies {
    std::string certificate, resolve, tls, connect, not_http;
  } remedies;
};

struct HttpRequest {
  std::string target;                // path and query
  std::vector<std::string> headers;  // "Name: value"
  std::string body;
  // In place of `body`: asked for the next bytes as they go out, in chunks, until it says null. Its error ends the
  // exchange and the connection, and is what Exchange returns.
  std::function<Result<std::shared_ptr<arrow::Buffer>>()> next_body = nullptr;
  std::string method = "POST";  // GET and HEAD have no body
  std::shared_ptr<arrow::Buffer> body_buffer = nullptr;  // in place of `body`: sent without a copy
};

// Not thread-safe. Redirects are not followed, bodies not decompressed, TLS certificates always verified.
class HttpConnection {
 public:
  static Result<std::unique_ptr<HttpConnection>> Make(const HttpEndpoint& endpoint);  // opens nothing yet
  ~HttpConnection();                                                                  // closes

  // Sends `request`, and returns once the answer's header is there. The former exchange must be finished().
  // kRetry: not resolved, refused, timed out, lost. kConfig: a certificate that does not verify. kStopped.
  Status Exchange(const HttpRequest& request, const StopToken& stop);

  int status() const;
  const std::string& header(const std::string& lower_case_name) const;  // empty where there is none
  const std::map<std::string, std::string>& headers() const;            // lower-case names
  // Content-Length or chunks: an answer without either ends where the connection ends, be it cut or whole.
  bool end_is_provable() const;

  // The next bytes of the body; null at its proven end. kRetry where the connection is lost before.
  Result<std::shared_ptr<arrow::Buffer>> NextChunk(const StopToken& stop);
  int64_t body_bytes() const;

  // The answer has been read to its proven end: the connection is fit for another exchange.
  bool finished() const;
  // The last Exchange failed before anything of the request went out: whatever it asks for has not happened.
  bool nothing_was_sent() const;

 private:
  class Impl;
  explicit HttpConnection(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace calve::http
