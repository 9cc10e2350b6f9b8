#include "calve/serve/http_server.h"

#include <httplib.h>
#include <poll.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <mutex>
#include <thread>

namespace calve::serve {
namespace {

using Steady = std::chrono::steady_clock;
constexpr int kLookEveryMs = 100;  // whether the server is to stop

// One request of a client and the answer to it.
class BoundedStream : public httplib::Stream {
 public:
  BoundedStream(socket_t socket, const HttpLimits& limits, const std::atomic<bool>& stopping)
      : socket_(socket),
        left_(limits.request_bytes_max),
        end_(Steady::now() + std::chrono::microseconds(limits.request_micros_max)),
        stopping_(stopping) {}

  bool is_readable() const override { return at_ < held_ || Wait(POLLIN); }
  bool is_writable() const override { return Wait(POLLOUT); }

  ssize_t read(char* bytes, size_t size) override {
    if (at_ == held_) {
      if (left_ <= 0 || !Wait(POLLIN)) return -1;
      const ssize_t got = recv(socket_, buffer_, std::min<size_t>(sizeof buffer_, static_cast<size_t>(left_)), 0);
      if (got <= 0) return got;
      left_ -= got;
      at_ = 0;
      held_ = static_cast<size_t>(got);
    }
    const size_t taken = std::min(size, held_ - at_);
    std::memcpy(bytes, buffer_ + at_, taken);
    at_ += taken;
    return static_cast<ssize_t>(taken);
  }

  ssize_t write(const char* bytes, size_t size) override {
    if (!Wait(POLLOUT)) return -1;
    return send(socket_, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT);
  }

  void get_remote_ip_and_port(std::string& ip, int& port) const override { ip.clear(), port = 0; }
  void get_local_ip_and_port(std::string& ip, int& port) const override { ip.clear(), port = 0; }
  socket_t socket() const override { return socket_; }

 private:
  bool Wait(short events) const {
    while (!stopping_) {
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end_ - Steady::now()).count();
      if (left <= 0) return false;
      pollfd poll_socket{socket_, events, 0};
      const int ready = poll(&poll_socket, 1, static_cast<int>(std::min<int64_t>(left, kLookEveryMs)));
      if (ready > 0) return true;
      if (ready < 0 && errno != EINTR) return false;
    }
    return false;
  }

  const socket_t socket_;
  int64_t left_;  // bytes that may still be read
  const Steady::time_point end_;
  const std::atomic<bool>& stopping_;
  char buffer_[4096];
  size_t at_ = 0, held_ = 0;
};

// A few threads, and a few connections that wait for one: who brings more waits himself.
class FewThreads : public httplib::TaskQueue {
 public:
  explicit FewThreads(const HttpLimits& limits) : waiting_max_(std::max<size_t>(limits.waiting_max, 1)) {
    for (size_t i = 0; i < std::max<size_t>(limits.threads, 1); ++i) threads_.emplace_back([this] { Work(); });
  }

  void enqueue(std::function<void()> task) override {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return tasks_.size() < waiting_max_; });
    tasks_.push_back(std::move(task));
    changed_.notify_all();
  }

  void shutdown() override {
    {
      std::lock_guard lock(mutex_);
      ended_ = true;
    }
    changed_.notify_all();
    threads_.clear();  // joins
  }

 private:
  // Also what waits when it is to end: each task closes its connection.
  void Work() {
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [&] { return ended_ || !tasks_.empty(); });
      if (tasks_.empty()) return;
      const std::function<void()> task = std::move(tasks_.front());
      tasks_.pop_front();
      changed_.notify_all();
      lock.unlock();
      task();
      lock.lock();
    }
  }

  const size_t waiting_max_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> tasks_;  // protected by mutex_
  bool ended_ = false;                       // protected by mutex_
  std::vector<std::jthread> threads_;        // last
};

// httplib's server, with requests as above, one for each connection.
class BoundedServer : public httplib::Server {
 public:
  BoundedServer(const HttpLimits& limits, const std::atomic<bool>& stopping) : limits_(limits), stopping_(stopping) {
    new_task_queue = [limits] { return new FewThreads(limits); };
    set_payload_max_length(static_cast<size_t>(limits.request_bytes_max));
    // httplib's own choice would let two servers share a port.
    set_socket_options([](socket_t socket) {
      const int yes = 1;
      setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    });
  }

 private:
  bool process_and_close_socket(socket_t socket) override {
    bool done = false;
    if (!stopping_) {
      BoundedStream stream(socket, limits_, stopping_);
      bool closed = false;
      done = process_request(stream, /*close_connection=*/true, closed, nullptr);
    }
    shutdown(socket, SHUT_RDWR);
    close(socket);
    return done;
  }

  const HttpLimits limits_;
  const std::atomic<bool>& stopping_;
};

}  // namespace

struct HttpServer::Impl {
  explicit Impl(const HttpLimits& limits) : server(limits, stopping) {}

  std::atomic<bool> stopping{false};
  BoundedServer server;
  http::ListenAddress address;
  std::thread listening;

  bool Bind() {
    if (address.port != 0) return server.bind_to_port(address.host, address.port);
    address.port = server.bind_to_any_port(address.host);
    return address.port > 0;
  }

  // httplib gives up where a connection could not be accepted (one that is gone already, no memory): begin again.
  void Listen() {
    for (;;) {
      server.listen_after_bind();
      while (!stopping && !Bind()) std::this_thread::sleep_for(std::chrono::milliseconds(kLookEveryMs));
      if (stopping) return;
    }
  }
};

Result<std::unique_ptr<HttpServer>> HttpServer::Start(const http::ListenAddress& address,
                                                      std::map<std::string, HttpHandler> handlers,
                                                      const HttpLimits& limits) {
  auto impl = std::make_unique<Impl>(limits);
  impl->address = address;
  for (auto& [path, handler] : handlers) {
    impl->server.Get(path, [handler = std::move(handler)](const httplib::Request&, httplib::Response& response) {
      const HttpAnswer answer = handler();
      response.status = answer.status;
      response.set_header("Cache-Control", "no-store");
      response.set_header("X-Content-Type-Options", "nosniff");
      response.set_content(answer.body, answer.content_type);
    });
  }
  // What went wrong is calve's own business: no text of an exception goes out.
  impl->server.set_exception_handler(
      [](const httplib::Request&, httplib::Response& response, const std::exception_ptr&) {
        response.status = 500;
        response.set_content("the answer could not be made\n", "text/plain; charset=utf-8");
      });
  errno = 0;
  if (!impl->Bind()) {
    const int error = errno;
    return MakeError(ErrorKind::kConfig,
                     fmt::format("cannot listen at {}{}{}", address.ToString(), error != 0 ? ": " : "",
                                 error != 0 ? std::strerror(error) : ""),
                     "Choose another address or port with --listen HOST:PORT (port 0: any), or --listen off.");
  }
  impl->listening = std::thread([&self = *impl] { self.Listen(); });
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

HttpServer::~HttpServer() {
  // Before it runs it cannot be stopped, and between a failure and its new beginning it does not run.
  std::atomic<bool> joined{false};
  std::jthread stopper([&] {
    impl_->stopping = true;
    bool told = false;  // it wants to be told once each time it runs
    while (!joined) {
      const bool running = impl_->server.is_running();
      if (running && !told) impl_->server.stop();
      told = running;
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
  });
  impl_->listening.join();
  joined = true;
}

const http::ListenAddress& HttpServer::address() const { return impl_->address; }

}  // namespace calve::serve
