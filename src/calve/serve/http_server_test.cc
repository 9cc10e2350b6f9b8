#include "calve/serve/http_server.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "calve/serve/endpoints.h"

namespace calve::serve {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;
using SteadyClock = std::chrono::steady_clock;

double SecondsFrom(SteadyClock::time_point began) {
  return std::chrono::duration<double>(SteadyClock::now() - began).count();
}

// A connection to the server, at the level of bytes.
class Client {
 public:
  explicit Client(int port) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }
  ~Client() { close(socket_); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  bool connected() const { return connected_; }
  bool Send(const std::string& bytes) const {
    return send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size());
  }
  // All that comes until the server closes.
  std::string Receive() const { return ReceiveUntil(""); }
  // Or until the words have come.
  std::string ReceiveUntil(const std::string& words) const {
    std::string text;
    char piece[4096];
    for (ssize_t got; (got = recv(socket_, piece, sizeof piece, 0)) > 0;) {
      text.append(piece, static_cast<size_t>(got));
      if (!words.empty() && text.find(words) != std::string::npos) break;
    }
    return text;
  }

 private:
  const int socket_;
  bool connected_ = false;
};

std::string Ask(int port, const std::string& request) {
  const Client client(port);
  EXPECT_TRUE(client.Send(request));
  return client.Receive();
}

std::unique_ptr<HttpServer> Started(std::map<std::string, std::function<HttpAnswer()>> handlers,
                                    HttpOptions options = {}) {
  const auto handler = [handlers = std::move(handlers)](const HttpRequest& request) {
    const auto found = handlers.find(request.path);
    return found == handlers.end() || request.method != "GET" ? HttpAnswer{404, "none\n"} : found->second();
  };
  return HttpServer::Start({"127.0.0.1", 0}, handler, std::move(options)).ValueOrDie();
}

TEST(HttpServer, AnswersByPath) {
  const auto server = Started({{"/a",
                                [] {
                                  return HttpAnswer{200, "alpha\n"};
                                }},
                               {"/b",
                                [] {
                                  return HttpAnswer{503, "not yet\n", "text/x"};
                                }},
                               {"/c", []() -> HttpAnswer { throw std::runtime_error("a secret"); }}});
  const int port = server->address().port;
  EXPECT_GT(port, 0);
  const std::string a = Ask(port, "GET /a?x=1 HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_THAT(a, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(a, HasSubstr("Content-Length: 6\r\n"));
  EXPECT_THAT(a, HasSubstr("\r\n\r\nalpha\n"));
  const std::string b = Ask(port, "GET /b HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_THAT(b, StartsWith("HTTP/1.1 503 "));
  EXPECT_THAT(b, HasSubstr("Content-Type: text/x\r\n"));
  const std::string c = Ask(port, "GET /c HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_THAT(c, StartsWith("HTTP/1.1 500 "));
  EXPECT_EQ(c.find("secret"), std::string::npos);
  EXPECT_THAT(Ask(port, "GET /none HTTP/1.1\r\nHost: x\r\n\r\n"), StartsWith("HTTP/1.1 404 "));
  EXPECT_THAT(Ask(port, "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"), StartsWith("HTTP/1.1 404 "));
  const std::string head = Ask(port, "HEAD /a HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_THAT(head, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_EQ(head.find("alpha"), std::string::npos);
}

TEST(HttpServer, TakesRequestsOfABoundedSize) {
  HttpOptions limits;
  limits.limits.request_bytes_max = 4096;
  std::atomic<int> called{0};
  const auto server = Started({{"/a", [&] { return ++called, HttpAnswer{}; }}}, limits);
  const int port = server->address().port;
  std::string many = "GET /a HTTP/1.1\r\n";
  for (int i = 0; i < 1000; ++i) many += fmt::format("X-{}: 0123456789\r\n", i);
  for (const std::string& large : {many + "\r\n", "GET /a HTTP/1.1\r\nX: " + std::string(5000, 'x') + "\r\n\r\n",
                                   "GET /" + std::string(5000, 'a') + " HTTP/1.1\r\n\r\n",
                                   "POST /a HTTP/1.1\r\nContent-Length: 100000\r\n\r\n" + std::string(100'000, 'b')}) {
    const Client client(port);
    (void)client.Send(large);  // it may be cut off amid it
    EXPECT_EQ(client.Receive().find("200 OK"), std::string::npos);
  }
  EXPECT_EQ(called, 0);
  EXPECT_THAT(Ask(port, "GET /a HTTP/1.1\r\n\r\n"), HasSubstr("200 OK")) << "and goes on";
}

TEST(HttpServer, GivesUpOnClientsThatTakeTheirTime) {
  HttpOptions limits;
  limits.limits.threads = 1;
  limits.limits.request_micros_max = 300'000;
  const auto server = Started({{"/a", [] { return HttpAnswer{}; }}}, limits);
  const int port = server->address().port;
  const Client silent(port), slow(port);
  ASSERT_TRUE(slow.Send("GET /a HT"));
  const auto began = SteadyClock::now();
  EXPECT_THAT(Ask(port, "GET /a HTTP/1.1\r\n\r\n"), HasSubstr("200 OK"));
  EXPECT_LT(SecondsFrom(began), 5);
  EXPECT_EQ(slow.Receive(), "");
}

TEST(HttpServer, EndsWithClientsThatAreStillThere) {
  std::vector<std::unique_ptr<Client>> clients;
  const auto began = SteadyClock::now();
  {
    HttpOptions limits;
    limits.limits.threads = 1;
    limits.limits.waiting_max = 1;
    const auto server = Started({{"/a", [] { return HttpAnswer{}; }}}, limits);
    for (int i = 0; i < 5; ++i) {
      clients.push_back(std::make_unique<Client>(server->address().port));
      ASSERT_TRUE(clients.back()->connected() && clients.back()->Send("GET /a HTTP/1.1\r\n"));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  EXPECT_LT(SecondsFrom(began), 5);
  for (int i = 0; i < 20; ++i) (void)Started({});  // also at once
}

TEST(HttpServer, TellsTheHandlerWhatWasAsked) {
  HttpRequest seen;
  const auto server =
      HttpServer::Start({"127.0.0.1", 0}, [&](const HttpRequest& request) {
        seen = request;
        return HttpAnswer{202, "{}", "application/json", {{"Retry-After", "7"}, {"Cache-Control", "no-cache"}}};
      }).ValueOrDie();
  const std::string answer = Ask(server->address().port,
                                 "POST /a%2Fb?x=1 HTTP/1.1\r\nHost: H\r\nX-Name: Value\r\nREMOTE_ADDR: 6.6.6.6\r\n"
                                 "Content-Type: application/json\r\nContent-Length: 5\r\n\r\nhello");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 202 "));
  EXPECT_THAT(answer, HasSubstr("Retry-After: 7\r\n"));
  EXPECT_THAT(answer, HasSubstr("Cache-Control: no-cache\r\n"));
  EXPECT_EQ(answer.find("no-store"), std::string::npos);
  EXPECT_EQ(seen.method, "POST");
  EXPECT_EQ(seen.path, "/a%2Fb");
  EXPECT_EQ(seen.body, "hello");
  EXPECT_EQ(*seen.Header("x-name"), "Value");
  EXPECT_EQ(seen.client, "127.0.0.1") << "whatever the client says of itself";
}

TEST(HttpServer, HandsReadersOfEventsToAThreadOfTheirOwn) {
  HttpOptions options;
  options.limits.threads = 1;
  options.event_limits.readers = 3;
  options.event_limits.look_micros = 2'000;
  options.events.whole = [] { return ServerEvent{"status", "{}"}; };
  options.events.changes = [] { return std::vector<ServerEvent>{{"tick", "1"}}; };
  HttpAnswer stream;
  stream.is_event_stream = true;
  const auto server = Started({{"/events", [stream] { return stream; }}, {"/a", [] { return HttpAnswer{}; }}}, options);
  const int port = server->address().port;
  std::vector<std::unique_ptr<Client>> readers;
  for (int i = 0; i < 3; ++i) {
    readers.push_back(std::make_unique<Client>(port));
    ASSERT_TRUE(readers.back()->Send("GET /events HTTP/1.1\r\nHost: h\r\n\r\n"));
    const std::string heard = readers.back()->ReceiveUntil("event: tick");
    EXPECT_THAT(heard, StartsWith("HTTP/1.1 200 OK\r\n"));
    EXPECT_THAT(heard, HasSubstr("Content-Type: text/event-stream\r\n"));
    EXPECT_THAT(heard, HasSubstr("event: status\ndata: {}\n\n"));
  }
  EXPECT_THAT(Ask(port, "GET /events HTTP/1.1\r\nHost: h\r\n\r\n"), HasSubstr("HTTP/1.1 503 "));
  EXPECT_THAT(Ask(port, "GET /a HTTP/1.1\r\nHost: h\r\n\r\n"), HasSubstr("200 OK")) << "the one thread is free";
  readers.pop_back();
  const auto end = SteadyClock::now() + std::chrono::seconds(20);
  std::string again;
  while (again.find("200 OK") == std::string::npos && SteadyClock::now() < end) {
    const Client next(port);
    ASSERT_TRUE(next.Send("GET /events HTTP/1.1\r\nHost: h\r\n\r\n"));
    again = next.ReceiveUntil("\r\n\r\n");
  }
  EXPECT_THAT(again, HasSubstr("200 OK")) << "a place became free";
}

TEST(HttpServer, SaysThatAnAddressIsTaken) {
  const auto server = Started({});
  const auto second = HttpServer::Start(server->address(), [](const HttpRequest&) { return HttpAnswer{}; });
  EXPECT_EQ(KindOf(second.status()), ErrorKind::kConfig);
  EXPECT_THAT(MessageOf(second.status()), HasSubstr(server->address().ToString()));
  EXPECT_THAT(RemedyOf(second.status()), HasSubstr("--listen"));
}

TEST(Endpoints, TellWhetherItIsReady) {
  const SystemClock clock;
  const OffloadMetrics metrics(clock);
  const MaintenanceMetrics maintenance;
  Endpoints endpoints(metrics, maintenance);
  const auto handlers = endpoints.Handlers();
  EXPECT_EQ(handlers.at("/healthz")().status, 200);
  EXPECT_EQ(handlers.at("/readyz")().status, 503);
  endpoints.SetNotReady("");
  EXPECT_EQ(handlers.at("/readyz")().status, 200);
  endpoints.SetNotReady("stopping");
  EXPECT_EQ(handlers.at("/readyz")().body, "stopping\n");
  const HttpAnswer scraped = handlers.at("/metrics")();
  EXPECT_THAT(scraped.content_type, StartsWith("text/plain; version=0.0.4"));
  for (const char* name : {"# TYPE offload_lag_minutes gauge", "# TYPE offload_duplicates gauge",
                           "# TYPE offload_retirement_blocked gauge", "# TYPE offload_compacted_files_total counter",
                           "\nprocess_resident_memory_bytes ", "\nprocess_open_fds ", "\nprocess_cpu_seconds_total ",
                           "\nprocess_start_time_seconds "}) {
    EXPECT_THAT(scraped.body, HasSubstr(name));
  }
}

}  // namespace
}  // namespace calve::serve
