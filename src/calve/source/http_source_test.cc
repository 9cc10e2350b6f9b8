// Over a server that answers as it should: what is asked, what is sent, and how answers are put together.
#include "calve/source/http_source.h"

#include <arrow/array.h>
#include <arrow/util/compression.h>
#include <gtest/gtest.h>

#include <thread>

#include "calve/http/testing_http_server.h"
#include "calve/source/testing_native_bytes.h"
#include "calve/source/testing_read_numbers.h"

namespace calve::source {
namespace {

TEST(HttpSourceTest, AsksAsClickHouseWantsIt) {
  http::TestingHttpServer server(
      [](const http::SeenRequest&, http::HttpAnswer& answer) { answer.Whole(200, NumberBlock(7, 2)); });
  const StopToken stop;
  SourceOptions options;
  options.url = "http://app@127.0.0.1:" + std::to_string(server.port()) + "/k%20two?max_threads=3";
  options.password = "hunter2";
  options.settings["max_execution_time"] = "60";
  auto source = OpenSource(options, stop).ValueOrDie();
  QueryOptions query;
  query.settings["max_threads"] = "1";  // the query's own wins
  EXPECT_EQ(ReadNumbers(*source, "SELECT 'ü'", query).ValueOrDie(), (std::vector<uint64_t>{7, 8}));

  const auto seen = server.seen();
  ASSERT_EQ(seen.size(), 1);
  EXPECT_EQ(seen[0].body, "SELECT 'ü'\nFORMAT Native");
  EXPECT_EQ(seen[0].Parameter("database"), "k two");
  EXPECT_EQ(seen[0].Parameter("max_threads"), "1");
  EXPECT_EQ(seen[0].Parameter("max_execution_time"), "60");
  EXPECT_EQ(seen[0].Parameter("result_overflow_mode"), "throw");
  EXPECT_EQ(seen[0].Parameter("limit"), "0");
  EXPECT_TRUE(seen[0].Parameter("query_id").starts_with("calve-"));
  EXPECT_EQ(seen[0].headers.at("x-clickhouse-user"), "app");
  EXPECT_EQ(seen[0].headers.at("x-clickhouse-key"), "hunter2");
  EXPECT_FALSE(seen[0].headers.contains("accept-encoding"));  // loopback
  EXPECT_FALSE(seen[0].headers.contains("expect"));
  EXPECT_EQ(seen[0].target.find("hunter2"), std::string::npos);
  EXPECT_EQ(source->name().find("hunter2"), std::string::npos);
  EXPECT_EQ(source->database(), "k two");
}

TEST(HttpSourceTest, AStatementWithoutAFormatClause) {
  http::TestingHttpServer server(
      [](const http::SeenRequest&, http::HttpAnswer& answer) { answer.Whole(200, NumberBlock(1, 1)); });
  const StopToken stop;
  auto source = OpenTestingSource(server, stop);
  QueryOptions query;
  query.takes_format = false;
  EXPECT_EQ(ReadNumbers(*source, "CHECK GRANT SELECT ON a.b", query).ValueOrDie(), (std::vector<uint64_t>{1}));
  EXPECT_EQ(server.seen()[0].body, "CHECK GRANT SELECT ON a.b");
  EXPECT_EQ(server.seen()[0].Parameter("default_format"), "Native");
}

TEST(HttpSourceTest, OneConnectionCarriesManyQueries) {
  http::TestingHttpServer server([](const http::SeenRequest&, http::HttpAnswer& answer) {
    answer.BeginChunked();
    answer.Chunk(NumberBlock(0, 3));
    answer.Chunk(NumberBlock(3, 2));
    answer.EndChunks();
  });
  const StopToken stop;
  auto source = OpenTestingSource(server, stop);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(ReadNumbers(*source).ValueOrDie(), (std::vector<uint64_t>{0, 1, 2, 3, 4}));
  EXPECT_EQ(server.connections(), 1);
}

TEST(HttpSourceTest, QueriesMayRunSideBySide) {
  http::TestingHttpServer server(
      [](const http::SeenRequest&, http::HttpAnswer& answer) { answer.Whole(200, NumberBlock(0, 1000)); });
  const StopToken stop;
  auto source = OpenTestingSource(server, stop);
  std::vector<std::thread> threads;
  std::atomic<int> whole{0};
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int j = 0; j < 10; ++j) whole += ReadNumbers(*source).ValueOrDie().size() == 1000 ? 1 : 0;
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(whole, 40);
}

TEST(HttpSourceTest, AnEmptyResultIsAnEnd) {
  http::TestingHttpServer server([](const http::SeenRequest&, http::HttpAnswer& answer) { answer.Whole(200, ""); });
  const StopToken stop;
  auto source = OpenTestingSource(server, stop);
  EXPECT_EQ(ReadNumbers(*source).ValueOrDie().size(), 0);
}

TEST(HttpSourceTest, TheAnswerTellsItsRevision) {
  for (const bool honoured : {false, true}) {
    http::TestingHttpServer server([&](const http::SeenRequest& request, http::HttpAnswer& answer) {
      EXPECT_NE(request.Parameter("client_protocol_version"), "<none>");
      answer.BeginChunked();
      // In pieces, so that the decision has to wait for more than the first byte.
      const std::string bytes = NumberBlock(5, 2, honoured) + NumberBlock(7, 1, honoured);
      for (const char byte : bytes) answer.Chunk(std::string(1, byte));
      answer.EndChunks();
    });
    const StopToken stop;
    auto source = OpenTestingSource(server, stop);
    EXPECT_EQ(ReadNumbers(*source).ValueOrDie(), (std::vector<uint64_t>{5, 6, 7})) << honoured;
  }
}

TEST(HttpSourceTest, LargeAnswersInPiecesOfAnySize) {
  std::atomic<size_t> piece{0};
  std::string body;
  for (uint64_t block = 0; block < 20; ++block) body += NumberBlock(block * 30'000, 30'000);
  http::TestingHttpServer server([&](const http::SeenRequest&, http::HttpAnswer& answer) {
    answer.BeginChunked();
    for (size_t at = 0; at < body.size(); at += piece) {
      answer.Chunk(body.substr(at, piece));
      // Long enough for the reader to come to its end and to wait, at every kind of boundary.
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    answer.EndChunks();
  });
  const StopToken stop;
  auto source = OpenTestingSource(server, stop);
  for (const size_t size : {16u << 10, 64u << 10, 100'000u, 1u << 20, (1u << 20) + 1, 5u << 20}) {
    piece = size;
    const auto numbers = ReadNumbers(*source).ValueOrDie();
    ASSERT_EQ(numbers.size(), 600'000) << size;
    EXPECT_EQ(numbers.back(), 599'999) << size;
  }
}

TEST(HttpSourceTest, AStreamLeftEarlyEndsTheQuery) {
  std::atomic<bool> gone{false};
  http::TestingHttpServer server([&](const http::SeenRequest&, http::HttpAnswer& answer) {
    answer.BeginChunked();
    answer.Chunk(NumberBlock(0, 10));
    answer.WaitForClientToGo();
    gone = true;
  });
  const StopToken stop;
  auto source = OpenTestingSource(server, stop);
  auto stream = source->Query("SELECT 1", {}).ValueOrDie();
  EXPECT_EQ(stream->Next().ValueOrDie()->num_rows(), 10);
  stream.reset();
  for (int i = 0; i < 100 && !gone; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_TRUE(gone);
}

TEST(HttpSourceTest, AStreamMayOutliveItsSource) {
  http::TestingHttpServer server(
      [](const http::SeenRequest&, http::HttpAnswer& answer) { answer.Whole(200, NumberBlock(0, 4)); });
  const StopToken stop;
  auto stream = OpenTestingSource(server, stop)->Query("SELECT 1", {}).ValueOrDie();
  EXPECT_EQ(stream->Next().ValueOrDie()->num_rows(), 4);
  EXPECT_EQ(stream->Next().ValueOrDie(), nullptr);
  EXPECT_EQ(stream->Next().ValueOrDie(), nullptr);
  EXPECT_EQ(stream->bytes_read(), static_cast<int64_t>(NumberBlock(0, 4).size()));
}

TEST(HttpSourceTest, AnOldServerIsAskedAgainWithoutWhatItDoesNotKnow) {
  http::TestingHttpServer server([](const http::SeenRequest& request, http::HttpAnswer& answer) {
    if (request.Parameter("client_protocol_version") != "<none>") {
      answer.Whole(404,
                   "Code: 115, e.displayText() = DB::Exception: Unknown setting client_protocol_version, e.what() = "
                   "DB::Exception\n");
    } else {
      answer.Whole(200, NumberBlock(1, 1));
    }
  });
  const StopToken stop;
  auto source = OpenTestingSource(server, stop);
  EXPECT_EQ(ReadNumbers(*source).ValueOrDie().size(), 1);
  EXPECT_EQ(ReadNumbers(*source).ValueOrDie().size(), 1);
  EXPECT_EQ(server.seen().size(), 3);  // learnt once
  EXPECT_EQ(server.connections(), 1);
}

TEST(HttpSourceTest, AReadonlyUserWhoseProfileLosesRowsIsRefused) {
  for (const char* value : {"throw", "break"}) {
    http::TestingHttpServer server([&](const http::SeenRequest& request, http::HttpAnswer& answer) {
      if (request.body.find("system.settings") != std::string::npos) {
        answer.Whole(200, std::string("result_overflow_mode\t") + value + "\n");
      } else if (request.Parameter("result_overflow_mode") != "<none>") {
        answer.Whole(
            500, "Code: 164. DB::Exception: Cannot modify 'result_overflow_mode' setting in readonly mode. (READONLY)",
            "X-ClickHouse-Exception-Code: 164\r\n");
      } else {
        answer.Whole(200, NumberBlock(1, 1));
      }
    });
    const StopToken stop;
    auto source = OpenTestingSource(server, stop);
    const auto rows = ReadNumbers(*source);
    if (std::string(value) == "throw") {
      EXPECT_EQ(rows.ValueOrDie().size(), 1);
    } else {
      EXPECT_EQ(KindOf(rows.status()), ErrorKind::kConfig);
      EXPECT_NE(MessageOf(rows.status()).find("result_overflow_mode = break"), std::string::npos);
    }
  }
}

std::string Compressed(arrow::Compression::type type, const std::string& plain) {
  auto codec = arrow::util::Codec::Create(type, 1).ValueOrDie();
  auto compressor = codec->MakeCompressor().ValueOrDie();
  std::string out(plain.size() * 2 + (1 << 20), '\0');
  auto* data = reinterpret_cast<uint8_t*>(out.data());
  auto step =
      compressor->Compress(plain.size(), reinterpret_cast<const uint8_t*>(plain.data()), out.size(), data).ValueOrDie();
  EXPECT_EQ(step.bytes_read, static_cast<int64_t>(plain.size()));
  auto end = compressor->End(out.size() - step.bytes_written, data + step.bytes_written).ValueOrDie();
  out.resize(step.bytes_written + end.bytes_written);
  return out;
}

TEST(HttpSourceTest, CompressedAnswers) {
  const std::map<std::string, arrow::Compression::type> encodings = {
      {"gzip", arrow::Compression::GZIP}, {"zstd", arrow::Compression::ZSTD}, {"lz4", arrow::Compression::LZ4_FRAME}};
  for (const auto& [encoding, type] : encodings) {
    // Compresses well, so that one chunk off the wire is many plain ones; and a second stream behind the first.
    const std::string bytes = Compressed(type, NumberBlock(0, 300'000)) + Compressed(type, NumberBlock(300'000, 10));
    std::string sent = bytes;
    http::TestingHttpServer server([&](const http::SeenRequest& request, http::HttpAnswer& answer) {
      EXPECT_EQ(request.headers.at("accept-encoding"), encoding);
      EXPECT_EQ(request.Parameter("enable_http_compression"), "1");
      answer.Whole(200, sent, "Content-Encoding: " + encoding + "\r\n");
    });
    const StopToken stop;
    auto options = TestingOptions(server);
    options.compression = encoding;
    auto source = OpenSource(options, stop).ValueOrDie();
    const auto numbers = ReadNumbers(*source).ValueOrDie();
    ASSERT_EQ(numbers.size(), 300'010) << encoding;
    EXPECT_EQ(numbers.back(), 300'009);

    // HTTP says that the answer is whole; the compressed stream knows better.
    for (const size_t missing : {size_t{1}, bytes.size() / 3}) {
      sent = bytes.substr(0, bytes.size() - missing);
      const auto cut = ReadNumbers(*source);
      EXPECT_EQ(KindOf(cut.status()), ErrorKind::kCorrupt)
          << encoding << " " << missing << " " << cut.status().ToString();
    }
    sent = bytes;
    for (size_t i = 0; i < 64; ++i) sent[i] = static_cast<char>(sent[i] ^ 0x5A);
    const auto broken = ReadNumbers(*source);
    EXPECT_EQ(KindOf(broken.status()), ErrorKind::kCorrupt) << encoding << " " << broken.status().ToString();
    sent = "";
    EXPECT_EQ(ReadNumbers(*source).ValueOrDie().size(), 0) << encoding;
  }
}

TEST(HttpSourceTest, AnEncodingThatWasNotAskedForIsRefused) {
  http::TestingHttpServer server(
      [](const http::SeenRequest&, http::HttpAnswer& answer) { answer.Whole(200, "xx", "Content-Encoding: br\r\n"); });
  const StopToken stop;
  auto source = OpenTestingSource(server, stop);
  EXPECT_EQ(KindOf(ReadNumbers(*source).status()), ErrorKind::kCorrupt);
}

TEST(HttpSourceTest, BadOptionsAreRefused) {
  const StopToken stop;
  SourceOptions options;
  options.url = "http://127.0.0.1:1/d";
  options.compression = "snappy";
  EXPECT_EQ(KindOf(OpenSource(options, stop).status()), ErrorKind::kConfig);
  options.compression = "auto";
  options.password = "two\r\nX-Injected: 1";
  const Status status = OpenSource(options, stop).status();
  EXPECT_EQ(KindOf(status), ErrorKind::kConfig);
  EXPECT_EQ(status.ToString().find("two"), std::string::npos);
}

}  // namespace
}  // namespace calve::source
