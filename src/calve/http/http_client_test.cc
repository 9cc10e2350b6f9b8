#include "calve/http/http_client.h"

#include <gtest/gtest.h>

#include "calve/http/percent_encoding.h"
#include "calve/http/testing_http_server.h"

namespace calve::http {
namespace {

HttpEndpoint EndpointOf(const TestingHttpServer& server) {
  HttpEndpoint endpoint;
  endpoint.origin = server.url("");
  endpoint.is_loopback = true;
  endpoint.idle_timeout_ms = 2000;
  endpoint.remedies.connect = "start it";
  return endpoint;
}

HttpRequest Request(const std::string& method, const std::string& target, const std::string& body = "") {
  HttpRequest request;
  request.method = method;
  request.target = target;
  request.body = body;
  return request;
}

TEST(HttpClient, EveryMethodGoesOutAsItIsAskedForOnOneConnection) {
  TestingHttpServer server([](const SeenRequest& request, HttpAnswer& answer) {
    if (request.method == "HEAD")
      answer.Send("HTTP/1.1 200 OK\r\nContent-Length: 7\r\nETag: \"e\"\r\n\r\n");
    else
      answer.Whole(request.method == "DELETE" ? 404 : 200, request.method);
  });
  StopToken stop;
  HttpClient client(EndpointOf(server), stop);
  for (const char* method : {"GET", "POST", "HEAD", "PUT", "GET", "DELETE", "HEAD", "POST"}) {
    auto response = client.Call(Request(method, "/a?b=c", std::string_view(method).starts_with('P') ? "body" : ""));
    ASSERT_TRUE(response.ok()) << method << ": " << response.status();
    EXPECT_EQ(response->status, std::string(method) == "DELETE" ? 404 : 200);
    EXPECT_EQ(response->body, std::string(method) == "HEAD" ? "" : method);
    const SeenRequest seen = server.seen().back();
    EXPECT_EQ(seen.method, method);
    EXPECT_EQ(seen.target, "/a?b=c");
    EXPECT_EQ(seen.body, std::string_view(method).starts_with('P') ? "body" : "") << method;
  }
  EXPECT_EQ(server.connections(), 1);
}

TEST(HttpClient, WhatMustNotBeSentTwiceGetsAConnectionOfItsOwn) {
  TestingHttpServer server([](const SeenRequest&, HttpAnswer& answer) { answer.Whole(200, "x"); });
  StopToken stop;
  HttpClient client(EndpointOf(server), stop);
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(client.Call(Request("POST", "/"), HttpClient::Connection::kFresh).ok());
  EXPECT_EQ(server.connections(), 3);
}

TEST(HttpClient, AnAnswerThatIsCutIsNoAnswerAndMayHaveDoneWhatWasAsked) {
  TestingHttpServer server([](const SeenRequest&, HttpAnswer& answer) {
    answer.Send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort");
    answer.Close();
  });
  StopToken stop;
  HttpClient client(EndpointOf(server), stop);
  bool nothing_was_sent = true;
  auto response = client.Call(Request("POST", "/"), HttpClient::Connection::kFresh, &nothing_was_sent);
  EXPECT_EQ(KindOf(response.status()), ErrorKind::kRetry);
  EXPECT_FALSE(nothing_was_sent);
}

TEST(HttpClient, WhereNobodyListensNothingWasSent) {
  HttpEndpoint endpoint;
  {
    TestingHttpServer server([](const SeenRequest&, HttpAnswer&) {});
    endpoint = EndpointOf(server);
  }
  StopToken stop;
  HttpClient client(endpoint, stop);
  bool nothing_was_sent = false;
  auto response = client.Call(Request("GET", "/"), HttpClient::Connection::kAny, &nothing_was_sent);
  EXPECT_EQ(KindOf(response.status()), ErrorKind::kRetry);
  EXPECT_EQ(RemedyOf(response.status()), "start it");
  EXPECT_TRUE(nothing_was_sent);
}

TEST(HttpClient, AnAnswerBeyondTheLimitIsRefused) {
  TestingHttpServer server(
      [](const SeenRequest&, HttpAnswer& answer) { answer.Whole(200, std::string(3 << 20, 'x')); });
  StopToken stop;
  HttpClient client(EndpointOf(server), stop, 1 << 20);
  EXPECT_EQ(KindOf(client.Call(Request("GET", "/")).status()), ErrorKind::kCorrupt);
}

TEST(HttpClient, AStopEndsAWait) {
  TestingHttpServer server([](const SeenRequest&, HttpAnswer& answer) { answer.WaitForClientToGo(); });
  StopToken stop;
  HttpClient client(EndpointOf(server), stop);
  std::thread stopper([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    stop.RequestStop();
  });
  EXPECT_EQ(KindOf(client.Call(Request("GET", "/")).status()), ErrorKind::kStopped);
  stopper.join();
  EXPECT_EQ(KindOf(client.Wait(60'000)), ErrorKind::kStopped);
}

TEST(RetryAfter, IsSecondsOrADate) {
  auto after = [](const std::string& value) {
    HttpResponse response;
    if (!value.empty()) response.headers["retry-after"] = value;
    return RetryAfterMs(response, 784111777'000, 123);  // Sun, 06 Nov 1994 08:49:37 GMT
  };
  EXPECT_EQ(after("7"), 7000);
  EXPECT_EQ(after("Sun, 06 Nov 1994 08:49:40 GMT"), 3000);
  EXPECT_EQ(after("Sun, 06 Nov 1994 08:49:30 GMT"), 0);
  EXPECT_EQ(after(""), 123);
  EXPECT_EQ(after("soon"), 123);
  EXPECT_EQ(after("-5"), 123);
}

TEST(PercentEncoding, IsUndone) {
  const std::string text = "a/b c%\x1f\xc3\xa4~-_.";
  EXPECT_EQ(PercentEncoded(text), "a%2Fb%20c%25%1F%C3%A4~-_.");
  EXPECT_EQ(PercentDecoded(PercentEncoded(text)), text);
  EXPECT_EQ(PercentDecoded("100%"), "100%");
  EXPECT_EQ(PercentDecoded("%zz%4"), "%zz%4");
}

}  // namespace
}  // namespace calve::http
