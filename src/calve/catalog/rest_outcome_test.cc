#include "calve/catalog/rest_outcome.h"

#include <gmock/gmock.h>

namespace calve::catalog {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

http::HttpResponse Response(int status, std::string body = "") { return {status, {}, std::move(body)}; }

// docs/rest-catalog.md, "What an answer proves", for each status there is.
TEST(RestOutcome, OnlyWhatIsProvenIsCertain) {
  for (int status = 100; status < 600; ++status) {
    const RestVerdict change = JudgeRestAnswer(status, true), read = JudgeRestAnswer(status, false);
    if (status / 100 == 2) {
      EXPECT_EQ(change, RestVerdict::kDone) << status;
    } else if (status == 401 || status == 419) {
      EXPECT_EQ(change, RestVerdict::kNewToken) << status;
    } else if (status == 429) {
      EXPECT_EQ(change, RestVerdict::kAgain) << status;
    } else if (status / 100 == 5 || status == 408 || status < 200) {
      EXPECT_EQ(change, RestVerdict::kUnknown) << status;
    } else if (status / 100 == 3 || (status >= 400 && status <= 417) || status == 422 || status == 451) {
      EXPECT_EQ(change, RestVerdict::kRefused) << status;
    } else {
      EXPECT_NE(change, RestVerdict::kDone) << status;
    }
    EXPECT_NE(read, RestVerdict::kUnknown) << status;
    EXPECT_EQ(status / 100 == 5 || status == 408 || status == 429, read == RestVerdict::kAgain) << status;
  }
  for (const int gateways : {440, 444, 460, 463, 494, 499}) {
    EXPECT_EQ(JudgeRestAnswer(gateways, true), RestVerdict::kUnknown) << gateways;
  }
}

TEST(RestOutcome, KindsSayWhatTheCallerDoes) {
  const std::string json = R"({"error":{"type":"T","message":"m"}})";
  auto kind = [&](int status, bool is_change, const std::string& body) {
    return KindOf(RestAnswerError(Response(status, body), is_change, "doing", "http://h"));
  };
  EXPECT_EQ(kind(409, true, json), ErrorKind::kConflict);
  EXPECT_EQ(kind(409, true, ""), ErrorKind::kConflict);
  EXPECT_EQ(kind(404, true, json), ErrorKind::kNotFound);
  EXPECT_EQ(kind(404, true, "nginx"), ErrorKind::kConfig);
  EXPECT_EQ(kind(401, true, json), ErrorKind::kConfig);
  EXPECT_EQ(kind(403, false, json), ErrorKind::kConfig);
  EXPECT_EQ(kind(307, true, ""), ErrorKind::kConfig);
  EXPECT_EQ(kind(406, true, json), ErrorKind::kUnsupported);
  EXPECT_EQ(kind(400, true, json), ErrorKind::kFailed);
  EXPECT_EQ(kind(429, true, json), ErrorKind::kRetry);
  EXPECT_EQ(kind(503, false, json), ErrorKind::kRetry);
  EXPECT_EQ(kind(503, true, json), ErrorKind::kUnknownOutcome);
  EXPECT_EQ(kind(500, true, R"({"error":{"type":"CommitFailedException"}})"), ErrorKind::kUnknownOutcome);
}

TEST(RestOutcome, WhatIsQuotedIsShortAndClean) {
  const std::string long_text = "\x1b[31m" + std::string(5000, 'a') + "\xff\n";
  const Status status = RestAnswerError(Response(400, long_text), true, "doing", "http://h");
  EXPECT_LT(MessageOf(status).size(), 400u);
  EXPECT_THAT(MessageOf(status), Not(HasSubstr("\x1b")));
  const Status typed =
      RestAnswerError(Response(400, R"({"error":{"type":"T\n","message":"one\r\ntwo"}})"), true, "doing", "http://h");
  EXPECT_EQ(MessageOf(typed), "doing: http://h answered 400 T : one  two");
}

TEST(RestOutcome, ALostConnectionProvesNothingAboutAChange) {
  const Status lost = MakeError(ErrorKind::kRetry, "lost");
  EXPECT_EQ(KindOf(RestConnectionError(lost, true, false, "w")), ErrorKind::kUnknownOutcome);
  EXPECT_EQ(KindOf(RestConnectionError(lost, true, true, "w")), ErrorKind::kRetry);
  EXPECT_EQ(KindOf(RestConnectionError(lost, false, false, "w")), ErrorKind::kRetry);
  const Status stopped = MakeError(ErrorKind::kStopped, "stopped");
  EXPECT_EQ(KindOf(RestConnectionError(stopped, true, false, "w")), ErrorKind::kUnknownOutcome);
}

}  // namespace
}  // namespace calve::catalog
