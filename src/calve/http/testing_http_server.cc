#include "calve/http/testing_http_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <chrono>
#include <cstdlib>
#include <stdexcept>

#include "calve/base/text.h"

namespace calve::http {
namespace {

bool WaitReadable(int socket, const std::atomic<bool>& stopping) {
  while (!stopping) {
    pollfd wait{socket, POLLIN, 0};
    if (poll(&wait, 1, 20) > 0) return true;
  }
  return false;
}

// False at the connection's end.
bool ReadRequest(int socket, const std::atomic<bool>& stopping, size_t cut_body_after, std::string* buffered,
                 SeenRequest* out) {
  auto more = [&] {
    char piece[65536];
    if (!WaitReadable(socket, stopping)) return false;
    const ssize_t got = recv(socket, piece, sizeof piece, 0);
    if (got <= 0) return false;
    buffered->append(piece, static_cast<size_t>(got));
    return true;
  };
  while (buffered->find("\r\n\r\n") == std::string::npos) {
    if (!more()) return false;
  }
  const size_t head_end = buffered->find("\r\n\r\n") + 4;
  const size_t target = buffered->find(' ') + 1;
  out->method = buffered->substr(0, target - 1);
  out->target = buffered->substr(target, buffered->find(' ', target) - target);
  for (size_t line = buffered->find("\r\n") + 2; line + 2 < head_end;) {
    const size_t end = buffered->find("\r\n", line);
    const std::string text = buffered->substr(line, end - line);
    const size_t colon = text.find(": ");
    if (colon != std::string::npos) out->headers[Lower(text.substr(0, colon))] = text.substr(colon + 2);
    line = end + 2;
  }
  if (out->headers["transfer-encoding"] == "chunked") {
    buffered->erase(0, head_end);
    while (true) {  // a connection that ends amid the body leaves what came by then
      const size_t line = buffered->find("\r\n");
      const size_t size = line == std::string::npos ? 0 : std::strtoul(buffered->c_str(), nullptr, 16);
      if (line != std::string::npos && buffered->size() >= line + 2 + size + 2) {
        out->body.append(*buffered, line + 2, size);
        buffered->erase(0, line + 2 + size + 2);
        if (size == 0) return true;
      } else if (!more()) {
        out->body_was_cut = true;
        return true;
      } else if (out->body.size() + buffered->size() >= cut_body_after) {
        out->body_was_cut = true;
        return true;
      }
    }
  }
  const size_t length = std::strtoul(out->headers["content-length"].c_str(), nullptr, 10);
  while (buffered->size() < head_end + length) {
    if (!more()) return false;
  }
  out->body = buffered->substr(head_end, length);
  buffered->erase(0, head_end + length);
  return true;
}

}  // namespace

std::string SeenRequest::Parameter(const std::string& name) const {
  size_t at = target.find('?' + name + '=');
  if (at == std::string::npos) at = target.find('&' + name + '=');
  if (at == std::string::npos) return "<none>";
  at += name.size() + 2;
  std::string value;
  for (; at < target.size() && target[at] != '&'; ++at) {
    if (target[at] == '%') {
      value += static_cast<char>(std::stoi(target.substr(at + 1, 2), nullptr, 16));
      at += 2;
    } else {
      value += target[at];
    }
  }
  return value;
}

bool HttpAnswer::Send(const std::string& bytes) {
  size_t sent = 0;
  while (sent < bytes.size() && !closed_) {
    const ssize_t now = send(socket_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (now <= 0)
      closed_ = true;
    else
      sent += static_cast<size_t>(now);
  }
  return !closed_;
}

bool HttpAnswer::Chunk(const std::string& bytes) {
  char size[32];
  snprintf(size, sizeof size, "%zx\r\n", bytes.size());
  return Send(size + bytes + "\r\n");
}

void HttpAnswer::Whole(int status, const std::string& body, const std::string& more_headers) {
  Send("HTTP/1.1 " + std::to_string(status) + " X\r\n" + more_headers +
       "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
}

bool HttpAnswer::BeginChunked(const std::string& more_headers) {
  return Send("HTTP/1.1 200 OK\r\n" + more_headers + "Transfer-Encoding: chunked\r\n\r\n");
}

void HttpAnswer::Reset() {
  std::this_thread::sleep_for(std::chrono::milliseconds(50));  // the reset would overtake what was sent
  const linger hard{1, 0};
  setsockopt(socket_, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  closed_ = true;
}

void HttpAnswer::Close() { closed_ = true; }

void HttpAnswer::WaitForClientToGo() {
  char piece[65536];
  while (WaitReadable(socket_, stopping_) && recv(socket_, piece, sizeof piece, 0) > 0) {
  }
  closed_ = true;
}

TestingHttpServer::TestingHttpServer(Handler handler) : handler_(std::move(handler)) {
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 || listen(listener_, 16) != 0 ||
      getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    throw std::runtime_error("no port on loopback");
  }
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread([this] { Accept(); });
}

TestingHttpServer::~TestingHttpServer() {
  stopping_ = true;
  acceptor_.join();
  for (auto& worker : workers_) worker.thread.join();
  close(listener_);
}

std::vector<SeenRequest> TestingHttpServer::seen() const {
  std::lock_guard lock(mutex_);
  return seen_;
}

void TestingHttpServer::Accept() {
  while (WaitReadable(listener_, stopping_)) {
    const int socket = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (socket < 0) continue;
    const int number = connections_++;
    JoinEnded();
    auto done = std::make_shared<std::atomic<bool>>(false);
    workers_.push_back({std::thread([this, socket, number, done] {
                          Serve(socket, number);
                          *done = true;
                        }),
                        done});
  }
}

// A test may make thousands of connections.
void TestingHttpServer::JoinEnded() {
  std::erase_if(workers_, [](Worker& worker) {
    if (!*worker.done) return false;
    worker.thread.join();
    return true;
  });
}

void TestingHttpServer::Serve(int socket, int number) {
  const int on = 1;
  setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  std::string buffered;
  while (true) {
    SeenRequest request;
    request.connection = number;
    if (!ReadRequest(socket, stopping_, cut_body_after, &buffered, &request)) break;
    if (remembers) {
      std::lock_guard lock(mutex_);
      seen_.push_back(request);
    }
    HttpAnswer answer(socket, stopping_);
    handler_(request, answer);
    if (answer.closed()) break;
  }
  close(socket);
}

}  // namespace calve::http
