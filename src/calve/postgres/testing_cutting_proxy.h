// Stands between libpq and a server on a local socket and cuts the connection at a chosen request: before the server
// hears it, or after the server has answered it and before the client hears that. For connections without TLS.
#pragma once

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <filesystem>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace calve::postgres {

enum class Cut {
  kBefore,        // the server never hears the request
  kAfter,         // it is carried out, and its answer is lost
  kSilentBefore,  // the same two, but the connection stays open and nothing comes
  kSilentAfter,
};

class CuttingProxy {
 public:
  // `server`: the folder of the server's socket.
  explicit CuttingProxy(const std::string& server) : server_(server) {
    std::string pattern = "/tmp/calve-cut-XXXXXX";
    if (!mkdtemp(pattern.data())) throw std::runtime_error("cannot make " + pattern);
    folder_ = pattern;
    sockaddr_un address = Address(folder_);
    listener_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0 || listen(listener_, 8) != 0) {
      throw std::runtime_error("cannot listen in " + folder_);
    }
    acceptor_ = std::thread([this] { Accept(); });
  }
  ~CuttingProxy() {
    ended_ = true;
    acceptor_.join();
    for (std::thread& relay : relays_) relay.join();
    close(listener_);
    std::filesystem::remove_all(folder_);
  }
  CuttingProxy(const CuttingProxy&) = delete;
  CuttingProxy& operator=(const CuttingProxy&) = delete;

  const std::string& folder() const { return folder_; }  // for the URI's host

  // The nth request from now on, of all connections; a connection's start is none.
  void CutAt(int nth, Cut cut) {
    std::lock_guard lock(mutex_);
    countdown_ = nth;
    cut_ = cut;
  }
  // Whether it has come to that.
  bool HasCut() {
    std::lock_guard lock(mutex_);
    return !cut_.has_value();
  }
  void Clear() {
    std::lock_guard lock(mutex_);
    cut_.reset();
  }

 private:
  struct Pair {
    int client, server;
    ~Pair() {
      close(client);
      close(server);
    }
  };

  static sockaddr_un Address(const std::string& folder) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, (folder + "/.s.PGSQL.5432").c_str(), sizeof(address.sun_path) - 1);
    return address;
  }

  bool Await(int socket) const {
    while (!ended_) {
      pollfd wanted{socket, POLLIN, 0};
      if (poll(&wanted, 1, 20) > 0) return true;
    }
    return false;
  }

  void Accept() {
    while (Await(listener_)) {
      int client = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (client < 0) continue;
      int server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
      sockaddr_un address = Address(server_);
      if (connect(server, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
        close(client);
        close(server);
        continue;
      }
      relays_.emplace_back([this, client, server] {
        Pair pair{client, server};
        Relay(pair);
      });
    }
  }

  void Relay(const Pair& pair) {
    std::string bytes;
    if (!ReadMessage(pair.client, 0, bytes)) return;  // the start
    for (;;) {
      if (!Write(pair.server, bytes)) return;
      std::string answer;
      const bool goes_on = ReadUntil(pair.server, "Z", answer);
      if (now_ == Cut::kAfter || now_ == Cut::kSilentAfter) return End(pair);
      if (!Write(pair.client, answer) || !goes_on) return;
      bytes.clear();
      if (!ReadUntil(pair.client, "QS", bytes)) return;
      now_ = Count();
      if (now_ == Cut::kBefore || now_ == Cut::kSilentBefore) return End(pair);
    }
  }
  void End(const Pair& pair) {
    // Silent until the client gives up.
    char byte = 0;
    if (now_ == Cut::kSilentBefore || now_ == Cut::kSilentAfter) {
      while (Await(pair.client) && recv(pair.client, &byte, 1, 0) > 0) {
      }
    }
    now_.reset();
  }
  std::optional<Cut> Count() {
    std::lock_guard lock(mutex_);
    if (!cut_ || countdown_-- > 0) return std::nullopt;
    return std::exchange(cut_, std::nullopt);
  }

  // Whole messages up to one of a type in `last`.
  bool ReadUntil(int socket, std::string_view last, std::string& bytes) {
    for (;;) {
      size_t at = bytes.size();
      if (!ReadMessage(socket, 1, bytes)) return false;
      if (last.find(bytes[at]) != std::string_view::npos) return true;
    }
  }
  // Appends one message: its type (`type` bytes), its length, its content.
  bool ReadMessage(int socket, size_t type, std::string& bytes) {
    size_t at = bytes.size();
    if (!Read(socket, type + 4, bytes)) return false;
    uint32_t length = 0;
    for (size_t i = 0; i < 4; ++i) length = length << 8 | static_cast<unsigned char>(bytes[at + type + i]);
    return Read(socket, length - 4, bytes);
  }
  bool Read(int socket, size_t count, std::string& bytes) {
    while (count > 0) {
      char buffer[4096];
      if (!Await(socket)) return false;
      ssize_t got = recv(socket, buffer, std::min(count, sizeof(buffer)), 0);
      if (got <= 0) return false;
      bytes.append(buffer, static_cast<size_t>(got));
      count -= static_cast<size_t>(got);
    }
    return true;
  }
  static bool Write(int socket, const std::string& bytes) {
    return send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size());
  }

  const std::string server_;
  std::string folder_;
  int listener_ = -1;
  std::atomic<bool> ended_ = false;
  std::thread acceptor_;
  std::vector<std::thread> relays_;  // the acceptor's, and after it the destructor's

  std::mutex mutex_;
  // Protected by mutex_.
  int countdown_ = 0;
  std::optional<Cut> cut_;

  static thread_local inline std::optional<Cut> now_;  // what befalls the request that the relay carries
};

}  // namespace calve::postgres
