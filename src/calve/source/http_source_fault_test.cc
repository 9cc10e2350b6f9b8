// Over a server that fails in every way that was thought of: an answer is whole, or an error. Never a part of one.
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "calve/http/testing_http_server.h"
#include "calve/source/http_source.h"
#include "calve/source/testing_native_bytes.h"
#include "calve/source/testing_read_numbers.h"

namespace calve::source {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr const char* kOldText =
    "Code: 395, e.displayText() = DB::Exception: Value passed to 'throwIf' function is non zero, e.what() = "
    "DB::Exception\n";
constexpr const char* kNewText =
    "Code: 395. DB::Exception: Value passed to 'throwIf' function is non-zero. (FUNCTION_THROW_IF_VALUE_IS_NON_ZERO) "
    "(version 26.5.1.1)\n";

void ExpectException(const Status& status, ErrorKind kind, const std::string& code) {
  EXPECT_EQ(KindOf(status), kind) << status.ToString();
  EXPECT_NE(MessageOf(status).find("Code " + code), std::string::npos) << status.ToString();
  EXPECT_NE(MessageOf(status).find("127.0.0.1"), std::string::npos) << status.ToString();
}

TEST(HttpSourceFaultTest, ACutAtAnyByteIsALostConnection) {
  const std::string body = NumberBlock(0, 2) + NumberBlock(2, 1);
  std::atomic<size_t> cut{0};
  std::atomic<bool> chunked{false};
  http::TestingHttpServer server([&](const http::SeenRequest&, http::HttpAnswer& answer) {
    if (chunked) {
      answer.BeginChunked();
      if (cut > 0) answer.Chunk(body.substr(0, cut));
    } else {
      answer.Send("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
                  body.substr(0, cut));
    }
    answer.Close();
  });
  const StopToken stop;
  auto source = OpenTestingSource(server, stop);
  for (cut = 0; cut <= body.size(); ++cut) {
    for (const bool with_chunks : {false, true}) {
      chunked = with_chunks;
      const auto rows = ReadNumbers(*source);
      if (!with_chunks && cut == body.size()) {
        EXPECT_EQ(rows.ValueOrDie().size(), 3);
      } else {
        EXPECT_EQ(KindOf(rows.status()), ErrorKind::kRetry) << cut << with_chunks << rows.status().ToString();
        EXPECT_NE(MessageOf(rows.status()).find("lost after " + std::to_string(cut) + " bytes"), std::string::npos)
            << rows.status().ToString();
      }
    }
  }
}

TEST(HttpSourceFaultTest, AResetIsALostConnection) {
  http::TestingHttpServer server([&](const http::SeenRequest&, http::HttpAnswer& answer) {
    answer.BeginChunked();
    answer.Chunk(NumberBlock(0, 5));
    answer.Reset();
  });
  const StopToken stop;
  auto source = OpenTestingSource(server, stop);
  EXPECT_EQ(KindOf(ReadNumbers(*source).status()), ErrorKind::kRetry);
}

TEST(HttpSourceFaultTest, AnEndInsideABlockIsCorrupt) {
  const std::string body = NumberBlock(0, 2) + NumberBlock(2, 3);
  std::atomic<size_t> cut{0};
  http::TestingHttpServer server(
      [&](const http::SeenRequest&, http::HttpAnswer& answer) { answer.Whole(200, body.substr(0, cut)); });
  const StopToken stop;
  auto source = OpenTestingSource(server, stop);
  for (cut = 1; cut < body.size(); ++cut) {
    if (cut == NumberBlock(0, 2).size()) continue;  // a whole block: what HTTP calls whole is whole
    EXPECT_EQ(KindOf(ReadNumbers(*source).status()), ErrorKind::kCorrupt) << cut;
  }
}

TEST(HttpSourceFaultTest, AnAnswerWithoutAProvableEndIsRefused) {
  http::TestingHttpServer server([&](const http::SeenRequest&, http::HttpAnswer& answer) {
    answer.Send("HTTP/1.1 200 OK\r\n\r\n" + NumberBlock(0, 2));
    answer.Close();
  });
  const StopToken stop;
  auto source = OpenTestingSource(server, stop);
  const Status status = ReadNumbers(*source).status();
  EXPECT_EQ(KindOf(status), ErrorKind::kFailed);
  EXPECT_NE(MessageOf(status).find("neither a length nor chunks"), std::string::npos);
}

TEST(HttpSourceFaultTest, ExceptionsInTheMiddleOfAnAnswer) {
  const std::string block = NumberBlock(0, 1000);
  const std::string frame = std::string("\r\n__exception__\r\n0123456789abcdef\r\n") + kNewText +
                            std::to_string(std::string(kNewText).size()) + " 0123456789abcdef\r\n__exception__\r\n";
  const std::string tag_header = "X-ClickHouse-Exception-Tag: 0123456789abcdef\r\n";
  struct Case {
    const char* what;
    std::string before, text, header;
    bool ends_properly;
  };
  const std::vector<Case> cases = {
      {"old server, behind a block", block, kOldText, "", true},
      {"inside a block's numbers", block + block.substr(0, 500), kNewText, "", true},
      {"inside a block's header", block + block.substr(0, 5), kNewText, "", true},
      {"instead of the first block", "", kNewText, "", true},
      {"behind the marker, broken off", block, std::string("__exception__\r\n") + kNewText, "", false},
      {"framed, broken off", block, frame, tag_header, false},
      {"framed, inside a block", block + block.substr(0, 700), frame, tag_header, false},
      {"framed, in a proper end", block, frame, tag_header, true},
  };
  for (const auto& c : cases) {
    for (const bool in_pieces : {false, true}) {
      http::TestingHttpServer server([&](const http::SeenRequest&, http::HttpAnswer& answer) {
        answer.BeginChunked(c.header);
        if (!c.before.empty()) answer.Chunk(c.before);
        for (size_t at = 0; at < c.text.size(); at += in_pieces ? 7 : c.text.size())
          answer.Chunk(c.text.substr(at, in_pieces ? 7 : c.text.size()));
        if (c.ends_properly)
          answer.EndChunks();
        else
          answer.Close();
      });
      const StopToken stop;
      auto source = OpenTestingSource(server, stop);
      SCOPED_TRACE(c.what);
      const Status status = ReadNumbers(*source).status();
      ExpectException(status, ErrorKind::kFailed, "395");
      EXPECT_NE(MessageOf(status).find("query_id calve-"), std::string::npos) << status.ToString();
    }
  }
}

TEST(HttpSourceFaultTest, DataThatLooksLikeAnExceptionIsData) {
  for (const char* header : {"", "X-ClickHouse-Exception-Tag: 0123456789abcdef\r\n"}) {
    http::TestingHttpServer server(
        [&](const http::SeenRequest&, http::HttpAnswer& answer) { answer.Whole(200, TextBlock(kNewText), header); });
    const StopToken stop;
    auto source = OpenTestingSource(server, stop);
    auto stream = source->Query("SELECT text FROM log", {}).ValueOrDie();
    ASSERT_TRUE(stream->Next().ok());
    EXPECT_EQ(stream->Next().ValueOrDie(), nullptr);
  }
}

TEST(HttpSourceFaultTest, TransientFailuresBeforeTheFirstByteAreRetried) {
  std::atomic<int> asked{0};
  http::TestingHttpServer server([&](const http::SeenRequest&, http::HttpAnswer& answer) {
    switch (asked++) {
      case 0:
        return answer.Whole(503, "busy");
      case 1:
        return answer.Whole(500,
                            "Code: 202. DB::Exception: Too many simultaneous queries. (TOO_MANY_SIMULTANEOUS_QUERIES)",
                            "X-ClickHouse-Exception-Code: 202\r\n");
      case 2:
        return answer.Close();
      default:
        return answer.Whole(200, NumberBlock(0, 3));
    }
  });
  const StopToken stop;
  auto options = TestingOptions(server);
  options.attempts_max = 4;
  auto source = OpenSource(options, stop).ValueOrDie();
  QueryOptions query;
  query.query_id = "mine";
  EXPECT_EQ(ReadNumbers(*source, "SELECT 1", query).ValueOrDie().size(), 3);
  std::vector<std::string> ids;
  for (const auto& request : server.seen()) ids.push_back(request.Parameter("query_id"));
  // libcurl itself asks again where a connection that was kept alive turns out to be closed.
  ASSERT_EQ(ids.size(), 4);
  EXPECT_EQ(ids, (std::vector<std::string>{"mine", "mine-2", "mine-3", "mine-3"}));
}

TEST(HttpSourceFaultTest, RetriesEndWithTheReason) {
  http::TestingHttpServer server(
      [&](const http::SeenRequest&, http::HttpAnswer& answer) { answer.Whole(503, "no upstream"); });
  const StopToken stop;
  auto options = TestingOptions(server);
  options.attempts_max = 3;
  auto source = OpenSource(options, stop).ValueOrDie();
  const Status status = ReadNumbers(*source).status();
  EXPECT_EQ(KindOf(status), ErrorKind::kRetry);
  EXPECT_NE(MessageOf(status).find("given up after 3 attempts"), std::string::npos) << status.ToString();
  EXPECT_NE(MessageOf(status).find("HTTP status 503: no upstream"), std::string::npos) << status.ToString();
  EXPECT_EQ(server.seen().size(), 3);
}

TEST(HttpSourceFaultTest, WhatWillFailAgainIsNotRetried) {
  struct Case {
    int status;
    std::string headers, body;
    ErrorKind kind;
    const char* says;
  };
  const std::vector<Case> cases = {
      {404, "X-ClickHouse-Exception-Code: 60\r\n", "Code: 60. DB::Exception: Table d.t does not exist. (UNKNOWN_TABLE)",
       ErrorKind::kConfig, "Code 60"},
      {500, "X-ClickHouse-Exception-Code: 395\r\n", kNewText, ErrorKind::kFailed, "Code 395"},
      {500, "", kOldText, ErrorKind::kFailed, "Code 395"},
      {200, "X-ClickHouse-Exception-Code: 395\r\n", kNewText, ErrorKind::kFailed, "Code 395"},
      {403, "X-ClickHouse-Exception-Code: 516\r\n", "Code: 516. DB::Exception: app: Authentication failed",
       ErrorKind::kConfig, "wrong user or password for user 'default'"},
      {401, "", "Code: 193, e.displayText() = DB::Exception: Wrong password for user app, e.what() = DB::Exception",
       ErrorKind::kConfig, "wrong user or password"},
      {401, "", "", ErrorKind::kConfig, "wrong user or password"},
      {302, "Location: http://elsewhere/\r\n", "", ErrorKind::kConfig, "http://elsewhere/"},
      {404, "", "<html>nginx</html>", ErrorKind::kConfig, "HTTP status 404: <html>nginx</html>"},
      {400, "", "Port 9000 is for clickhouse-client program", ErrorKind::kConfig, "Port 9000"},
  };
  for (const auto& c : cases) {
    http::TestingHttpServer server(
        [&](const http::SeenRequest&, http::HttpAnswer& answer) { answer.Whole(c.status, c.body, c.headers); });
    const StopToken stop;
    auto options = TestingOptions(server);
    options.attempts_max = 4;
    options.password = "hunter2";
    auto source = OpenSource(options, stop).ValueOrDie();
    const Status status = ReadNumbers(*source).status();
    EXPECT_EQ(KindOf(status), c.kind) << status.ToString();
    EXPECT_NE(MessageOf(status).find(c.says), std::string::npos) << status.ToString();
    EXPECT_EQ(status.ToString().find("hunter2"), std::string::npos);
    EXPECT_EQ(server.seen().size(), 1) << c.body;
  }
}

TEST(HttpSourceFaultTest, NothingListensThere) {
  int port = 0;
  {
    port = http::TestingHttpServer([](const http::SeenRequest&, http::HttpAnswer&) {}).port();
  }
  const StopToken stop;
  SourceOptions options;
  options.url = "http://127.0.0.1:" + std::to_string(port) + "/d";
  options.attempts_max = 2;
  Status status = ReadNumbers(*OpenSource(options, stop).ValueOrDie()).status();
  EXPECT_EQ(KindOf(status), ErrorKind::kRetry);
  EXPECT_NE(MessageOf(status).find("127.0.0.1:" + std::to_string(port)), std::string::npos) << status.ToString();
  EXPECT_FALSE(RemedyOf(status).empty());

  options.url = "http://no-such-host.invalid/d";
  status = ReadNumbers(*OpenSource(options, stop).ValueOrDie()).status();
  EXPECT_EQ(KindOf(status), ErrorKind::kRetry);
  EXPECT_NE(MessageOf(status).find("no-such-host.invalid"), std::string::npos) << status.ToString();
}

TEST(HttpSourceFaultTest, ASilentServerIsGivenUp) {
  for (const bool after_header : {false, true}) {
    http::TestingHttpServer server([&](const http::SeenRequest&, http::HttpAnswer& answer) {
      if (after_header) {
        answer.BeginChunked();
        answer.Chunk(NumberBlock(0, 2));
      }
      answer.WaitForClientToGo();
    });
    const StopToken stop;
    auto options = TestingOptions(server);
    options.idle_timeout_ms = 200;
    const auto began = steady_clock::now();
    const Status status = ReadNumbers(*OpenSource(options, stop).ValueOrDie()).status();
    EXPECT_EQ(KindOf(status), ErrorKind::kRetry) << status.ToString();
    EXPECT_NE(MessageOf(status).find("no byte for"), std::string::npos) << status.ToString();
    EXPECT_LT(steady_clock::now() - began, milliseconds(5000));
  }
}

TEST(HttpSourceFaultTest, ASlowServerAndASlowReaderAreNotSilent) {
  http::TestingHttpServer server([&](const http::SeenRequest&, http::HttpAnswer& answer) {
    answer.BeginChunked();
    for (int i = 0; i < 6; ++i) {
      std::this_thread::sleep_for(milliseconds(100));
      answer.Chunk(NumberBlock(i, 1));
    }
    answer.EndChunks();
  });
  const StopToken stop;
  auto options = TestingOptions(server);
  options.idle_timeout_ms = 400;
  auto source = OpenSource(options, stop).ValueOrDie();
  auto stream = source->Query("SELECT 1", {}).ValueOrDie();
  ASSERT_TRUE(stream->Next().ok());
  std::this_thread::sleep_for(milliseconds(700));
  int blocks = 1;
  while (auto block = stream->Next().ValueOrDie()) ++blocks;
  EXPECT_EQ(blocks, 6);
}

TEST(HttpSourceFaultTest, AStopEndsEveryWait) {
  for (const bool after_header : {false, true}) {
    http::TestingHttpServer server([&](const http::SeenRequest&, http::HttpAnswer& answer) {
      if (after_header) {
        answer.BeginChunked();
        answer.Chunk(NumberBlock(0, 2));
      }
      answer.WaitForClientToGo();
    });
    StopToken stop;
    auto source = OpenTestingSource(server, stop);
    std::thread stopper([&] {
      std::this_thread::sleep_for(milliseconds(100));
      stop.RequestStop(15);
    });
    const auto began = steady_clock::now();
    EXPECT_EQ(KindOf(ReadNumbers(*source).status()), ErrorKind::kStopped);
    EXPECT_LT(steady_clock::now() - began, milliseconds(2000));
    stopper.join();
  }
  // And the wait between two attempts.
  http::TestingHttpServer server([&](const http::SeenRequest&, http::HttpAnswer& answer) { answer.Whole(503, ""); });
  StopToken stop;
  auto options = TestingOptions(server);
  options.attempts_max = 100;
  auto source = OpenSource(options, stop).ValueOrDie();
  std::thread stopper([&] {
    std::this_thread::sleep_for(milliseconds(100));
    stop.RequestStop(15);
  });
  EXPECT_EQ(KindOf(ReadNumbers(*source).status()), ErrorKind::kStopped);
  stopper.join();
}

TEST(HttpSourceFaultTest, AStatementIsNotRunTwice) {
  std::atomic<int> asked{0};
  http::TestingHttpServer server([&](const http::SeenRequest& request, http::HttpAnswer& answer) {
    EXPECT_EQ(request.body.find("FORMAT"), std::string::npos);
    if (asked++ == 0)
      return answer.Whole(500, "Code: 202. DB::Exception: Too many simultaneous queries. (X)",
                          "X-ClickHouse-Exception-Code: 202\r\n");
    if (asked == 2) return answer.Whole(200, "");
    answer.BeginChunked();
    answer.Close();
  });
  const StopToken stop;
  auto options = TestingOptions(server);
  options.attempts_max = 4;
  auto source = OpenSource(options, stop).ValueOrDie();
  EXPECT_TRUE(source->Execute("INSERT INTO t SELECT 1", {}).ok());  // the first was refused, the second done
  const Status status = source->Execute("INSERT INTO t SELECT 1", {});
  EXPECT_EQ(KindOf(status), ErrorKind::kUnknownOutcome) << status.ToString();
  EXPECT_EQ(server.seen().size(), 3);
}

TEST(HttpSourceFaultTest, AStatementIsNotSentAgainByLibcurlEither) {
  std::atomic<int> asked{0};
  http::TestingHttpServer server([&](const http::SeenRequest&, http::HttpAnswer& answer) {
    if (asked++ == 0) return answer.Whole(200, NumberBlock(0, 1));
    answer.Close();  // on a connection that was kept alive, this looks as if it had been closed before
  });
  const StopToken stop;
  auto source = OpenTestingSource(server, stop);
  ASSERT_TRUE(ReadNumbers(*source).ok());
  EXPECT_EQ(KindOf(source->Execute("INSERT INTO t SELECT 1", {})), ErrorKind::kUnknownOutcome);
  EXPECT_EQ(server.seen().size(), 2);
}

TEST(HttpSourceFaultTest, AnEndlessHeaderOrErrorTextIsCutOff) {
  std::atomic<bool> header{false};
  http::TestingHttpServer server([&](const http::SeenRequest&, http::HttpAnswer& answer) {
    answer.Send(header ? "HTTP/1.1 200 OK\r\n" : "HTTP/1.1 500 X\r\nTransfer-Encoding: chunked\r\n\r\n");
    const std::string line = "X-Filler: " + std::string(60'000, 'x') + "\r\n";
    for (int i = 0; i < 400; ++i) {
      if (!(header ? answer.Send(line) : answer.Chunk(line))) return;
    }
    answer.Close();
  });
  const StopToken stop;
  auto source = OpenTestingSource(server, stop);
  EXPECT_FALSE(ReadNumbers(*source).ok());
  header = true;
  EXPECT_FALSE(ReadNumbers(*source).ok());
}

}  // namespace
}  // namespace calve::source
