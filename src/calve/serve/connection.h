// A client's connection, plain or with TLS, that never waits by itself: who uses it polls.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>

#include "calve/base/error.h"

struct ssl_st;
struct ssl_ctx_st;

namespace calve::serve {

struct TlsFiles {
  std::string cert_file, key_file;  // PEM; the certificate may be followed by those of its authorities
};

// A certificate and its key, for all connections.
class TlsContext {
 public:
  // kConfig where the files cannot be read or do not belong together.
  static Result<std::unique_ptr<TlsContext>> Make(const TlsFiles& files);
  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

  ssl_ctx_st* get() const { return context_; }

 private:
  explicit TlsContext(ssl_ctx_st* context) : context_(context) {}
  ssl_ctx_st* const context_;
};

class Connection {
 public:
  static constexpr ssize_t kNotNow = -2;

  // Takes the socket over. `tls` (null: none) must outlive it.
  Connection(int socket, const TlsContext* tls);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  int socket() const { return socket_; }
  // The client's address, without its port.
  const std::string& client() const { return client_; }

  // Bytes; 0: the client has closed it; -1: it is broken; kNotNow: again once poll has seen wanted().
  ssize_t Read(char* bytes, size_t size);
  ssize_t Write(const char* bytes, size_t size);
  short wanted() const { return wanted_; }
  // Bytes that were taken off the socket already and wait to be read.
  bool HasPending() const;
  // Tells the client that no more will come.
  void FinishWriting();

 private:
  ssize_t Outcome(int result);

  const int socket_;
  ssl_st* tls_ = nullptr;
  short wanted_ = 0;
  std::string client_;
};

}  // namespace calve::serve
