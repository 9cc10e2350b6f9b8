// A small HTTP server for tests, on a port of its own on loopback: it answers as it is told, rightly or wrongly.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace calve::http {

struct SeenRequest {
  std::string method;                          // "POST"
  std::string target;                          // "/?database=…"
  std::map<std::string, std::string> headers;  // lower-case names
  std::string body;
  bool body_was_cut = false;  // chunks that did not come to their end
  int connection = 0;         // numbered from 0 as they were accepted
  // The value of a URL parameter, percent-decoded; "<none>" where there is none.
  std::string Parameter(const std::string& name) const;
};

// One answer under way. Sends what it is given; returns false once the client is gone.
class HttpAnswer {
 public:
  HttpAnswer(int socket, const std::atomic<bool>& stopping) : socket_(socket), stopping_(stopping) {}
  bool Send(const std::string& bytes);
  bool Chunk(const std::string& bytes);
  bool EndChunks() { return Send("0\r\n\r\n"); }
  void Whole(int status, const std::string& body, const std::string& more_headers = "");
  bool BeginChunked(const std::string& more_headers = "");
  void Reset();              // closes with RST
  void Close();              // closes properly
  void WaitForClientToGo();  // says nothing more, reads what still comes
  bool closed() const { return closed_; }

 private:
  const int socket_;
  const std::atomic<bool>& stopping_;
  bool closed_ = false;
};

class TestingHttpServer {
 public:
  // Called for each request, on its connection's thread.
  using Handler = std::function<void(const SeenRequest&, HttpAnswer&)>;
  explicit TestingHttpServer(Handler handler);
  ~TestingHttpServer();

  int port() const { return port_; }
  std::string url(const std::string& rest = "/db") const { return "http://127.0.0.1:" + std::to_string(port_) + rest; }
  std::vector<SeenRequest> seen() const;
  int connections() const { return connections_; }
  // The handler is called as soon as so many bytes of a chunked body are there.
  std::atomic<size_t> cut_body_after{SIZE_MAX};
  std::atomic<bool> remembers{true};  // what it has seen

 private:
  struct Worker {
    std::thread thread;
    std::shared_ptr<std::atomic<bool>> done;
  };
  void Accept();
  void Serve(int socket, int number);
  void JoinEnded();

  Handler handler_;
  int listener_ = -1, port_ = 0;
  std::atomic<bool> stopping_{false};
  std::atomic<int> connections_{0};
  mutable std::mutex mutex_;
  std::vector<SeenRequest> seen_;  // protected by mutex_
  std::vector<Worker> workers_;    // touched by acceptor_ alone until it has ended
  std::thread acceptor_;
};

}  // namespace calve::http
