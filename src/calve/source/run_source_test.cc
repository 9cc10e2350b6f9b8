#include "calve/source/run_source.h"

#include <gtest/gtest.h>

#include <mutex>
#include <nlohmann/json.hpp>
#include <set>

#include "calve/http/testing_http_server.h"
#include "calve/source/testing_native_bytes.h"
#include "calve/source/testing_read_numbers.h"

namespace calve::source {
namespace {

constexpr const char* kRunId = "0b4f1c2e-7d1a-4c55-9b0e-3f0a6c1d2e4f";

struct ToldEvents {
  TellEvent Teller() {
    return [this](const Event& event) {
      std::lock_guard lock(mutex);
      events.push_back(event);
    };
  }
  std::mutex mutex;
  std::vector<Event> events;
};

TEST(RunSource, EachQueryCarriesTheRunAndIsToldOf) {
  http::TestingHttpServer server(
      [](const http::SeenRequest&, http::HttpAnswer& answer) { answer.Whole(200, NumberBlock(7, 2)); });
  const StopToken stop;
  auto inner = OpenTestingSource(server, stop);
  ToldEvents told;
  RunSource source(*inner, "k2.trades", told.Teller());
  source.Begin(kRunId, "plan");
  ASSERT_TRUE(ReadNumbers(source, "SELECT 1", {}).ok());
  source.SetPurpose("read");
  ASSERT_TRUE(ReadNumbers(source, "SELECT 2", {}).ok());
  ASSERT_TRUE(source.Execute("ALTER TABLE t", {}).ok());

  const auto seen = server.seen();
  ASSERT_EQ(seen.size(), 3u);
  for (size_t i = 0; i < seen.size(); ++i) {
    EXPECT_EQ(seen[i].Parameter("query_id"), fmt::format("calve-{}-{}", kRunId, i + 1));
    EXPECT_EQ(seen[i].headers.at("traceparent"), fmt::format("00-0b4f1c2e7d1a4c559b0e3f0a6c1d2e4f-{:016x}-01", i + 1));
  }
  const auto comment = nlohmann::json::parse(seen[1].Parameter("log_comment"));
  EXPECT_EQ(comment["table"], "k2.trades");
  EXPECT_EQ(comment["purpose"], "read");
  EXPECT_EQ(comment["run"], kRunId);
  EXPECT_EQ(seen[2].Parameter("log_comment"), "<none>") << "statements get no settings that could be refused";
  ASSERT_EQ(told.events.size(), 3u);
  EXPECT_EQ(told.events[0].kind(), EventKind::kQueryDone);
  EXPECT_EQ(told.events[0].TextOf(EventField::kPurpose), "plan");
  EXPECT_EQ(std::get<int64_t>(*told.events[1].Find(EventField::kRows)), 2);
  EXPECT_EQ(told.events[2].TextOf(EventField::kQueryId), fmt::format("calve-{}-3", kRunId));
}

TEST(RunSource, ARetryHasAnIdOfItsOwnAndIsToldOf) {
  int asked = 0;
  http::TestingHttpServer server([&](const http::SeenRequest&, http::HttpAnswer& answer) {
    if (++asked == 1) return answer.Whole(503, "busy");
    answer.Whole(200, NumberBlock(7, 2));
  });
  const StopToken stop;
  SourceOptions options;
  options.url = server.url();
  auto inner = OpenSource(options, stop).ValueOrDie();
  ToldEvents told;
  RunSource source(*inner, "t", told.Teller());
  source.Begin(kRunId, "read");
  ASSERT_TRUE(ReadNumbers(source, "SELECT 1", {}).ok());
  std::set<std::string> ids;
  for (const auto& request : server.seen()) ids.insert(request.Parameter("query_id"));
  EXPECT_EQ(ids, (std::set<std::string>{fmt::format("calve-{}-1", kRunId), fmt::format("calve-{}-1-2", kRunId)}));
  ASSERT_EQ(told.events.size(), 2u);
  EXPECT_EQ(told.events[0].kind(), EventKind::kQueryRetried);
  EXPECT_EQ(told.events[0].TextOf(EventField::kErrorKind), "retry");
  EXPECT_EQ(told.events[1].kind(), EventKind::kQueryDone);
}

TEST(RunSource, AnErrorOfTheServerNamesTheQuery) {
  http::TestingHttpServer server([&](const http::SeenRequest&, http::HttpAnswer& answer) {
    answer.Whole(404, "Code: 60. DB::Exception: Table k2.t does not exist. (UNKNOWN_TABLE) (version 24.8.1.1)",
                 "X-ClickHouse-Exception-Code: 60\r\n");
  });
  const StopToken stop;
  auto inner = OpenTestingSource(server, stop);
  ToldEvents told;
  RunSource source(*inner, "t", told.Teller());
  source.Begin(kRunId, "read");
  const Status read = ReadNumbers(source, "SELECT 1", {}).status();
  const Status done = source.Execute("ALTER TABLE t", {});
  EXPECT_TRUE(MessageOf(read).ends_with(fmt::format("(query_id calve-{}-1)", kRunId))) << read.ToString();
  EXPECT_TRUE(MessageOf(done).ends_with(fmt::format("(query_id calve-{}-2)", kRunId))) << done.ToString();
  ASSERT_EQ(told.events.size(), 2u);
  EXPECT_EQ(told.events[0].kind(), EventKind::kQueryFailed);
}

TEST(RunSource, AServerThatDoesNotKnowTheCommentGetsNone) {
  http::TestingHttpServer server([&](const http::SeenRequest& request, http::HttpAnswer& answer) {
    if (request.Parameter("log_comment") == "<none>") return answer.Whole(200, NumberBlock(7, 2));
    answer.Whole(404, "Code: 115. DB::Exception: Unknown setting log_comment. (UNKNOWN_SETTING)",
                 "X-ClickHouse-Exception-Code: 115\r\n");
  });
  const StopToken stop;
  auto inner = OpenTestingSource(server, stop);
  ToldEvents told;
  RunSource source(*inner, "t", told.Teller());
  source.Begin(kRunId, "read");
  EXPECT_TRUE(ReadNumbers(source, "SELECT 1", {}).ok());
  EXPECT_TRUE(ReadNumbers(source, "SELECT 1", {}).ok());
  EXPECT_EQ(server.seen().size(), 3u) << "it is asked once";
}

TEST(RunSource, OnlyAUuidBecomesATrace) {
  EXPECT_EQ(TraceparentOf(kRunId, 255), "00-0b4f1c2e7d1a4c559b0e3f0a6c1d2e4f-00000000000000ff-01");
  EXPECT_EQ(TraceparentOf("mine", 1), "");
  EXPECT_EQ(TraceparentOf(kRunId, 0), "");
}

}  // namespace
}  // namespace calve::source
