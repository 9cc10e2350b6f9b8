#include "calve/serve/connection.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

namespace calve::serve {
namespace {

std::string LastTlsError() {
  const unsigned long code = ERR_peek_last_error();
  char text[256] = "";
  if (code != 0) ERR_error_string_n(code, text, sizeof text);
  ERR_clear_error();
  return text;
}

std::string PeerOf(int socket) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  char host[NI_MAXHOST] = "";
  if (getpeername(socket, reinterpret_cast<sockaddr*>(&address), &size) != 0) return "";
  if (getnameinfo(reinterpret_cast<sockaddr*>(&address), size, host, sizeof host, nullptr, 0, NI_NUMERICHOST) != 0) {
    return "";
  }
  return host;
}

}  // namespace

Result<std::unique_ptr<TlsContext>> TlsContext::Make(const TlsFiles& files) {
  ERR_clear_error();
  std::unique_ptr<TlsContext> made(new TlsContext(SSL_CTX_new(TLS_server_method())));
  SSL_CTX* context = made->get();
  if (!context) return MakeError(ErrorKind::kFailed, fmt::format("TLS: {}", LastTlsError()));
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  const auto wrong = [](const std::string& key, const std::string& file) {
    return MakeError(ErrorKind::kConfig, fmt::format("serve.tls.{} {}: {}", key, file, LastTlsError()),
                     "Name PEM files that can be read: the certificate with those of its authorities behind it, and "
                     "its key without a passphrase.");
  };
  // A passphrase would be asked for at the terminal.
  SSL_CTX_set_default_passwd_cb(context, [](char*, int, int, void*) { return 0; });
  if (SSL_CTX_use_certificate_chain_file(context, files.cert_file.c_str()) != 1) {
    return wrong("cert_file", files.cert_file);
  }
  if (SSL_CTX_use_PrivateKey_file(context, files.key_file.c_str(), SSL_FILETYPE_PEM) != 1 ||
      SSL_CTX_check_private_key(context) != 1) {
    return wrong("key_file", files.key_file);
  }
  return made;
}

TlsContext::~TlsContext() { SSL_CTX_free(context_); }

Connection::Connection(int socket, const TlsContext* tls) : socket_(socket), client_(PeerOf(socket)) {
  fcntl(socket_, F_SETFL, fcntl(socket_, F_GETFL, 0) | O_NONBLOCK);
  if (!tls) return;
  tls_ = SSL_new(tls->get());
  if (!tls_) return;
  SSL_set_fd(tls_, socket_);
  SSL_set_accept_state(tls_);  // the handshake is part of the first read
}

Connection::~Connection() {
  if (tls_) SSL_free(tls_);
  close(socket_);
}

ssize_t Connection::Outcome(int result) {
  if (result > 0) return result;
  switch (SSL_get_error(tls_, result)) {
    case SSL_ERROR_WANT_READ:
      wanted_ = POLLIN;
      return kNotNow;
    case SSL_ERROR_WANT_WRITE:
      wanted_ = POLLOUT;
      return kNotNow;
    case SSL_ERROR_ZERO_RETURN:
      return 0;
    default:
      ERR_clear_error();
      return -1;
  }
}

ssize_t Connection::Read(char* bytes, size_t size) {
  if (tls_) {
    ERR_clear_error();
    return Outcome(SSL_read(tls_, bytes, static_cast<int>(size)));
  }
  const ssize_t got = recv(socket_, bytes, size, 0);
  if (got >= 0) return got;
  wanted_ = POLLIN;
  return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? kNotNow : -1;
}

ssize_t Connection::Write(const char* bytes, size_t size) {
  if (tls_) {
    ERR_clear_error();
    return Outcome(SSL_write(tls_, bytes, static_cast<int>(size)));
  }
  const ssize_t sent = send(socket_, bytes, size, MSG_NOSIGNAL);
  if (sent >= 0) return sent;
  wanted_ = POLLOUT;
  return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? kNotNow : -1;
}

bool Connection::HasPending() const { return tls_ && SSL_pending(tls_) > 0; }

void Connection::FinishWriting() {
  if (tls_ && SSL_is_init_finished(tls_)) {
    ERR_clear_error();
    SSL_shutdown(tls_);
    ERR_clear_error();
  }
  shutdown(socket_, SHUT_WR);
}

}  // namespace calve::serve
