// The manager's end of systemd's notification protocol, for tests.
#pragma once

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>
#include <stdexcept>
#include <string>

namespace calve::cli {

class FakeManager {
 public:
  // A path, or '@' and a name in the abstract namespace.
  explicit FakeManager(const std::string& name) : socket_(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, name.data(), name.size());
    if (name.front() == '@') address.sun_path[0] = '\0';
    const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
    if (bind(socket_, reinterpret_cast<const sockaddr*>(&address), length) != 0)
      throw std::runtime_error("bind " + name);
    const timeval limit{.tv_sec = 5, .tv_usec = 0};
    setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  }
  ~FakeManager() { close(socket_); }
  FakeManager(const FakeManager&) = delete;
  FakeManager& operator=(const FakeManager&) = delete;

  // The next message; empty where none comes within five seconds.
  std::string Next() { return Receive(0); }
  // Empty where none is there.
  std::string NextOfThoseThatCame() { return Receive(MSG_DONTWAIT); }

 private:
  std::string Receive(int flags) {
    char buffer[4096];
    const ssize_t got = recv(socket_, buffer, sizeof(buffer), flags);
    return got < 0 ? "" : std::string(buffer, static_cast<size_t>(got));
  }

  const int socket_;
};

}  // namespace calve::cli
