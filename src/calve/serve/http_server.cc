#include "calve/serve/http_server.h"

#include <httplib.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <cctype>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <mutex>
#include <set>
#include <thread>

namespace calve::serve {
namespace {

using Steady = std::chrono::steady_clock;
constexpr int kLookEveryMs = 100;  // whether the server is to stop
constexpr int kLingerMs = 200;
constexpr size_t kPathMax = 1024;

// One request of a client and the answer to it.
class BoundedStream : public httplib::Stream {
 public:
  BoundedStream(Connection& connection, const HttpLimits& limits, const std::atomic<bool>& stopping)
      : connection_(connection),
        left_(limits.request_bytes_max),
        end_(Steady::now() + std::chrono::microseconds(limits.request_micros_max)),
        stopping_(stopping) {}

  bool is_readable() const override { return at_ < held_ || connection_.HasPending() || Wait(POLLIN); }
  bool is_writable() const override { return Wait(POLLOUT); }

  ssize_t read(char* bytes, size_t size) override {
    while (at_ == held_) {
      if (left_ <= 0) return -1;
      const ssize_t got = connection_.Read(buffer_, std::min<size_t>(sizeof buffer_, static_cast<size_t>(left_)));
      if (got == Connection::kNotNow && Wait(connection_.wanted())) continue;
      if (got <= 0) return got == 0 ? 0 : -1;
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
    for (;;) {
      const ssize_t done = connection_.Write(bytes, size);
      if (done > 0) return done;
      if (done != Connection::kNotNow || !Wait(connection_.wanted())) return -1;
    }
  }

  // What the client has sent and nobody wants is read away for a moment: closed over it, the connection would be reset,
  // and the answer lost with it.
  void Finish() {
    connection_.FinishWriting();
    const auto until = std::min(end_, Steady::now() + std::chrono::milliseconds(kLingerMs));
    pollfd poll_socket{connection_.socket(), POLLIN, 0};
    while (!stopping_ && Steady::now() < until && poll(&poll_socket, 1, 5) > 0) {
      char away[16 << 10];
      if (recv(connection_.socket(), away, sizeof away, 0) <= 0) break;
    }
  }

  void get_remote_ip_and_port(std::string& ip, int& port) const override {
    ip = connection_.client();
    port = connection_.socket();  // what the handler finds the connection by
  }
  void get_local_ip_and_port(std::string& ip, int& port) const override { ip.clear(), port = 0; }
  socket_t socket() const override { return connection_.socket(); }

 private:
  bool Wait(short events) const {
    while (!stopping_) {
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end_ - Steady::now()).count();
      if (left <= 0) return false;
      pollfd poll_socket{connection_.socket(), events, 0};
      const int ready = poll(&poll_socket, 1, static_cast<int>(std::min<int64_t>(left, kLookEveryMs)));
      if (ready > 0) return true;
      if (ready < 0 && errno != EINTR) return false;
    }
    return false;
  }

  Connection& connection_;
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

HttpRequest RequestOf(const httplib::Request& request) {
  HttpRequest out;
  out.method = request.method == "HEAD" ? "GET" : request.method;
  out.path = request.target.substr(0, request.target.find_first_of("?#"));
  out.body = request.body;
  out.client = request.remote_addr;
  for (const auto& [name, value] : request.headers) {
    std::string lower = name;
    std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
    // httplib's own notes beside what the client sent.
    if (lower == "remote_addr" || lower == "remote_port" || lower == "local_addr" || lower == "local_port") continue;
    out.headers.emplace(std::move(lower), value);
  }
  return out;
}

// httplib's server, with requests as above, one for each connection.
class BoundedServer : public httplib::Server {
 public:
  BoundedServer(HttpHandler handler, const HttpLimits& limits, const TlsContext* tls, EventHub* events,
                const std::atomic<bool>& stopping)
      : handler_(std::move(handler)), limits_(limits), tls_(tls), events_(events), stopping_(stopping) {
    new_task_queue = [limits] { return new FewThreads(limits); };
    set_payload_max_length(static_cast<size_t>(limits.request_bytes_max));
    // httplib's own choice would let two servers share a port.
    set_socket_options([](socket_t socket) {
      const int yes = 1;
      setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    });
    // All but POST is answered at once; that has a body, which httplib reads before it calls.
    set_pre_routing_handler([this](const httplib::Request& request, httplib::Response& response) {
      if (request.path.size() > kPathMax) {
        response.status = 414;
        return HandlerResponse::Handled;
      }
      if (request.method == "POST") return HandlerResponse::Unhandled;
      Answer(request, response);
      return HandlerResponse::Handled;
    });
    Post(".*", [this](const httplib::Request& request, httplib::Response& response) { Answer(request, response); });
    // What httplib refuses by itself.
    set_error_handler(HandlerWithResponse([](const httplib::Request&, httplib::Response& response) {
      if (!response.body.empty()) return HandlerResponse::Unhandled;
      const char* why = response.status == 413   ? "the request is too large"
                        : response.status == 414 ? "the path is too long"
                                                 : "this is no request that could be read";
      response.set_header("X-Content-Type-Options", "nosniff");
      response.set_content(fmt::format(R"({{"error":{{"kind":"request","message":"{}","remedy":""}}}})", why),
                           "application/json");
      return HandlerResponse::Handled;
    }));
    // What went wrong is calve's own business: no text of an exception goes out.
    set_exception_handler([](const httplib::Request&, httplib::Response& response, const std::exception_ptr&) {
      response.status = 500;
      response.set_content(R"({"error":{"kind":"failed","message":"the answer could not be made","remedy":""}})",
                           "application/json");
    });
  }

 private:
  void Answer(const httplib::Request& request, httplib::Response& response) {
    HttpAnswer answer = handler_(RequestOf(request));
    if (answer.is_event_stream && request.method == "GET") {
      if (events_ && events_->Reserve()) {
        response.status = 200;
        response.set_header("Cache-Control", "no-store");
        response.set_header("X-Content-Type-Options", "nosniff");
        response.set_header("X-Accel-Buffering", "no");  // of nginx in front
        // Ends at once, with only the headers written; the connection goes on as a reader's.
        response.set_content_provider("text/event-stream", [](size_t, httplib::DataSink& sink) {
          sink.done();
          return true;
        });
        std::lock_guard lock(mutex_);
        streaming_.insert(request.remote_port);
        return;
      }
      answer = {
          503,
          R"({"error":{"kind":"retry","message":"too many read the events already","remedy":"Try again later, or ask for /api/v1/status now and then."}})",
          "application/json",
          {{"Retry-After", "30"}}};
    }
    response.status = answer.status;
    bool has_cache = false;
    for (const auto& [name, value] : answer.headers) {
      response.set_header(name, value);
      has_cache |= name == "Cache-Control";
    }
    if (!has_cache) response.set_header("Cache-Control", "no-store");
    response.set_header("X-Content-Type-Options", "nosniff");
    if (answer.status == 304) return;
    response.set_content(answer.body, answer.content_type);
  }

  bool process_and_close_socket(socket_t socket) override {
    auto connection = std::make_unique<Connection>(socket, tls_);
    if (stopping_) return false;
    bool done = false, closed = false;
    BoundedStream stream(*connection, limits_, stopping_);
    done = process_request(stream, /*close_connection=*/true, closed, [](httplib::Request& request) {
      request.ranges.clear();  // of no use here, and httplib would cut answers by them
      // Brotli as httplib has it takes long for what is made anew each time.
      const bool takes_gzip = request.get_header_value("Accept-Encoding").find("gzip") != std::string::npos;
      request.headers.erase("Accept-Encoding");
      if (takes_gzip) request.set_header("Accept-Encoding", "gzip");
    });
    bool is_streaming = false;
    {
      std::lock_guard lock(mutex_);
      is_streaming = streaming_.erase(socket) > 0;
    }
    if (is_streaming && done) {
      events_->Add(std::move(connection));
      return true;
    }
    if (is_streaming) events_->Release();
    stream.Finish();
    return done;
  }

  const HttpHandler handler_;
  const HttpLimits limits_;
  const TlsContext* const tls_;
  EventHub* const events_;
  const std::atomic<bool>& stopping_;
  std::mutex mutex_;
  std::set<int> streaming_;  // protected by mutex_; sockets whose answer is an event stream
};

}  // namespace

struct HttpServer::Impl {
  Impl(HttpHandler handler, const HttpOptions& options, std::unique_ptr<TlsContext> context)
      : tls(std::move(context)),
        events(options.events.whole ? std::make_unique<EventHub>(options.events, options.event_limits) : nullptr),
        server(std::move(handler), options.limits, tls.get(), events.get(), stopping) {}

  std::atomic<bool> stopping{false};
  const std::unique_ptr<TlsContext> tls;   // outlives every connection
  const std::unique_ptr<EventHub> events;  // null: none
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

Result<std::unique_ptr<HttpServer>> HttpServer::Start(const http::ListenAddress& address, HttpHandler handler,
                                                      HttpOptions options) {
  std::unique_ptr<TlsContext> tls;
  if (options.tls) {
    ARROW_ASSIGN_OR_RAISE(tls, TlsContext::Make(*options.tls));
  }
  auto impl = std::make_unique<Impl>(std::move(handler), options, std::move(tls));
  impl->address = address;
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
