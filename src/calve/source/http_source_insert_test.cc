// Inserts over HTTP: what is sent, and what is known afterwards when something breaks.
#include <arrow/api.h>
#include <arrow/io/memory.h>
#include <arrow/ipc/reader.h>
#include <gtest/gtest.h>

#include <thread>
#include <utility>

#include "calve/http/testing_http_server.h"
#include "calve/source/arrow_stream_encoder.h"
#include "calve/source/http_source.h"
#include "calve/source/server_exception.h"
#include "calve/source/testing_read_numbers.h"

namespace calve::source {
namespace {

const Insertion kInsertion{"`db`.`t` (`a`)", "SELECT c1", "c1 Int64, c2 DateTime64(6, 'UTC')"};

std::shared_ptr<arrow::RecordBatch> Numbers(int64_t first, int64_t count) {
  arrow::Int64Builder builder;
  for (int64_t i = 0; i < count; ++i) EXPECT_TRUE(builder.Append(first + i).ok());
  auto array = builder.Finish().ValueOrDie();
  return arrow::RecordBatch::Make(arrow::schema({arrow::field("c1", arrow::int64(), false)}), count, {array});
}

// `batches` of a thousand rows each.
BatchProducer Producer(int64_t batches, int64_t* given = nullptr) {
  return [batches, given, n = int64_t{0}]() mutable -> Result<std::shared_ptr<arrow::RecordBatch>> {
    if (n == batches) return nullptr;
    if (given) *given = n + 1;
    return Numbers(1000 * n++, 1000);
  };
}

Result<std::shared_ptr<arrow::Table>> Decode(const std::string& body) {
  ARROW_ASSIGN_OR_RAISE(auto reader, arrow::ipc::RecordBatchStreamReader::Open(
                                         std::make_shared<arrow::io::BufferReader>(arrow::Buffer::FromString(body))));
  return reader->ToTable();
}

TEST(HttpSourceInsertTest, StreamsRowsBehindTheStatement) {
  http::TestingHttpServer server([](const http::SeenRequest&, http::HttpAnswer& answer) { answer.Whole(200, ""); });
  const StopToken stop;
  auto source = OpenTestingSource(server, stop);
  QueryOptions options;
  options.query_id = "mine";
  options.settings["insert_deduplicate"] = "0";
  ASSERT_TRUE(source->Insert(kInsertion, Producer(500), options).ok());
  ASSERT_TRUE(source->Execute("SYSTEM FLUSH LOGS", {}).ok());
  const auto seen = server.seen();
  ASSERT_EQ(seen.size(), 2);
  EXPECT_EQ(
      seen[0].Parameter("query"),
      "INSERT INTO `db`.`t` (`a`) SELECT c1 FROM input('c1 Int64, c2 DateTime64(6, \\'UTC\\')') FORMAT ArrowStream");
  EXPECT_EQ(seen[0].Parameter("query_id"), "mine");
  EXPECT_EQ(seen[0].Parameter("insert_deduplicate"), "0");
  EXPECT_EQ(seen[0].Parameter("client_protocol_version"), "<none>");
  EXPECT_FALSE(seen[0].headers.contains("content-length"));
  auto table = Decode(seen[0].body).ValueOrDie();
  EXPECT_EQ(table->num_rows(), 500'000);
  EXPECT_EQ(table->column(0)->GetScalar(499'999).ValueOrDie()->ToString(), "499999");
  EXPECT_EQ(seen[1].body, "SYSTEM FLUSH LOGS");
}

TEST(HttpSourceInsertTest, AsksNothingWhereThereIsNoBatch) {
  http::TestingHttpServer server([](const http::SeenRequest&, http::HttpAnswer& answer) { answer.Whole(200, ""); });
  const StopToken stop;
  ASSERT_TRUE(OpenTestingSource(server, stop)->Insert(kInsertion, Producer(0), {}).ok());
  EXPECT_TRUE(server.seen().empty());
}

TEST(HttpSourceInsertTest, ABatchWithoutRowsIsSent) {
  http::TestingHttpServer server([](const http::SeenRequest&, http::HttpAnswer& answer) { answer.Whole(200, ""); });
  const StopToken stop;
  auto empty = [first = true]() mutable -> Result<std::shared_ptr<arrow::RecordBatch>> {
    return std::exchange(first, false) ? Numbers(0, 0) : nullptr;
  };
  ASSERT_TRUE(OpenTestingSource(server, stop)->Insert(kInsertion, empty, {}).ok());
  ASSERT_EQ(server.seen().size(), 1);
  EXPECT_EQ(Decode(server.seen()[0].body).ValueOrDie()->num_rows(), 0);
}

TEST(HttpSourceInsertTest, TheServersExceptionIsTheError) {
  const std::string text = "Code: 252. DB::Exception: Too many partitions for single INSERT block. (TOO_MANY_PARTS)";
  for (const bool at_once : {false, true}) {
    http::TestingHttpServer server([&](const http::SeenRequest&, http::HttpAnswer& answer) {
      answer.Whole(500, text, "X-ClickHouse-Exception-Code: 252\r\nConnection: close\r\n");
      // Closing at once would destroy the answer: the kernel resets a connection with unread data.
      answer.WaitForClientToGo();
    });
    if (at_once) server.cut_body_after = 1000;  // while rows are still on their way
    const StopToken stop;
    int64_t given = 0;
    const Status status = OpenTestingSource(server, stop)->Insert(kInsertion, Producer(2'000, &given), {});
    EXPECT_NE(MessageOf(status).find("Too many partitions"), std::string::npos) << status.ToString();
    EXPECT_EQ(KindOf(status), KindOfServerError(252));
    if (at_once) {
      EXPECT_LT(given, 2'000) << "sending went on";
    }
  }
}

TEST(HttpSourceInsertTest, AnExceptionBehindStatus200IsTheError) {
  http::TestingHttpServer server([](const http::SeenRequest&, http::HttpAnswer& answer) {
    answer.Whole(200, "Code: 241. DB::Exception: Memory limit exceeded. (MEMORY_LIMIT_EXCEEDED)\n");
  });
  const StopToken stop;
  const Status status = OpenTestingSource(server, stop)->Insert(kInsertion, Producer(2), {});
  EXPECT_NE(MessageOf(status).find("Memory limit exceeded"), std::string::npos) << status.ToString();
}

TEST(HttpSourceInsertTest, AConnectionLostAmidTheBodyOrTheAnswerLeavesTheOutcomeUnknown) {
  for (const bool amid_body : {false, true}) {
    http::TestingHttpServer server([](const http::SeenRequest&, http::HttpAnswer& answer) { answer.Reset(); });
    if (amid_body) server.cut_body_after = 100'000;
    const StopToken stop;
    auto source = OpenTestingSource(server, stop);
    const Status status = source->Insert(kInsertion, Producer(500), {});
    EXPECT_EQ(KindOf(status), ErrorKind::kUnknownOutcome) << status.ToString();
    EXPECT_EQ(server.seen().size(), 1) << "an INSERT was sent twice";
    EXPECT_EQ(server.seen()[0].body_was_cut, amid_body);
  }
}

TEST(HttpSourceInsertTest, WhereNothingCouldBeSentNothingHappened) {
  SourceOptions options;
  {
    http::TestingHttpServer gone([](const http::SeenRequest&, http::HttpAnswer&) {});
    options.url = gone.url();
  }
  const StopToken stop;
  auto source = OpenSource(options, stop).ValueOrDie();
  EXPECT_EQ(KindOf(source->Insert(kInsertion, Producer(2), {})), ErrorKind::kRetry);
}

TEST(HttpSourceInsertTest, AnErrorOfTheProducerCutsTheBody) {
  http::TestingHttpServer server([](const http::SeenRequest&, http::HttpAnswer& answer) { answer.Whole(200, ""); });
  const StopToken stop;
  auto source = OpenTestingSource(server, stop);
  auto fails = [n = 0]() mutable -> Result<std::shared_ptr<arrow::RecordBatch>> {
    if (++n == 3) return MakeError(ErrorKind::kCorrupt, "a damaged file");
    return Numbers(0, 100'000);
  };
  const Status status = source->Insert(kInsertion, fails, {});
  EXPECT_EQ(KindOf(status), ErrorKind::kCorrupt);
  EXPECT_EQ(MessageOf(status), "a damaged file");
  source.reset();
  while (server.seen().empty()) std::this_thread::yield();
  EXPECT_TRUE(server.seen()[0].body_was_cut) << "the server would take it for the whole";
}

TEST(HttpSourceInsertTest, AStopEndsIt) {
  http::TestingHttpServer server(
      [](const http::SeenRequest&, http::HttpAnswer& answer) { answer.WaitForClientToGo(); });
  StopToken stop;
  auto source = OpenTestingSource(server, stop);
  std::jthread later([&] {
    while (server.seen().empty()) std::this_thread::yield();
    stop.RequestStop();
  });
  EXPECT_EQ(KindOf(source->Insert(kInsertion, Producer(1), {})), ErrorKind::kStopped);
}

TEST(ArrowStreamEncoderTest, DictionariesAndNarrowDecimalsTravelAsClickHouseReadsThem) {
  auto dictionary = arrow::dictionary(arrow::int32(), arrow::utf8());
  EXPECT_TRUE(TravelType(dictionary)->Equals(arrow::utf8()));
  auto nested = arrow::list(arrow::field(
      "element", arrow::struct_({arrow::field("d", arrow::decimal64(18, 8), false), arrow::field("s", dictionary)}),
      false));
  auto travels = arrow::list(arrow::field(
      "element", arrow::struct_({arrow::field("d", arrow::decimal128(18, 8), false), arrow::field("s", arrow::utf8())}),
      false));
  EXPECT_TRUE(TravelType(nested)->Equals(travels));

  // Two batches whose dictionaries differ.
  auto batch = [&](const std::string& text, int64_t unscaled) {
    arrow::StringBuilder words;
    arrow::Int32Builder indexes;
    arrow::Decimal64Builder decimals(arrow::decimal64(18, 8));
    EXPECT_TRUE(words.Append(text).ok() && indexes.AppendValues({0, 0}).ok() && indexes.AppendNull().ok());
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(decimals.Append(arrow::Decimal64(unscaled)).ok());
    auto encoded =
        arrow::DictionaryArray::FromArrays(indexes.Finish().ValueOrDie(), words.Finish().ValueOrDie()).ValueOrDie();
    return arrow::RecordBatch::Make(
        arrow::schema({arrow::field("s", dictionary), arrow::field("d", arrow::decimal64(18, 8))}), 3,
        {encoded, decimals.Finish().ValueOrDie()});
  };
  for (const bool compress : {false, true}) {
    auto producer = [&, n = 0]() mutable -> Result<std::shared_ptr<arrow::RecordBatch>> {
      ++n;
      return n == 1 ? batch("eins", -150'000'000) : n == 2 ? batch("zwei", 1) : nullptr;
    };
    auto encoder = ArrowStreamEncoder::Make(producer, compress).ValueOrDie();
    std::string bytes;
    while (true) {
      auto piece = encoder->Next().ValueOrDie();
      if (!piece) break;
      bytes += piece->ToString();
    }
    auto table = Decode(bytes).ValueOrDie();
    EXPECT_EQ(table->num_rows(), 6);
    EXPECT_EQ(table->column(0)->GetScalar(0).ValueOrDie()->ToString(), "eins");
    EXPECT_EQ(table->column(0)->GetScalar(4).ValueOrDie()->ToString(), "zwei");
    EXPECT_FALSE(table->column(0)->GetScalar(5).ValueOrDie()->is_valid);
    EXPECT_EQ(table->column(1)->GetScalar(0).ValueOrDie()->ToString(), "-1.50000000");
    EXPECT_EQ(table->column(1)->GetScalar(3).ValueOrDie()->ToString(), "1E-8");
  }
}

}  // namespace
}  // namespace calve::source
