#include "calve/source/server_exception.h"

#include <gtest/gtest.h>

namespace calve::source {
namespace {

TEST(ServerException, OldSpelling) {
  const auto exception = ParseServerException(
      "Code: 395, e.displayText() = DB::Exception: Value passed to 'throwIf' function is non zero, e.what() = "
      "DB::Exception\n");
  ASSERT_TRUE(exception);
  EXPECT_EQ(exception->code, 395);
  EXPECT_EQ(exception->message, "Value passed to 'throwIf' function is non zero");
  EXPECT_EQ(exception->kind, ErrorKind::kFailed);
}

TEST(ServerException, NewSpelling) {
  const auto exception = ParseServerException(
      "Code: 60. DB::Exception: Table d.nope does not exist. (UNKNOWN_TABLE) (version 24.8.1.1 (official build))\n");
  ASSERT_TRUE(exception);
  EXPECT_EQ(exception->code, 60);
  EXPECT_EQ(exception->message, "Table d.nope does not exist. (UNKNOWN_TABLE) (version 24.8.1.1 (official build))");
  const Status status = exception->ToStatus();
  EXPECT_EQ(KindOf(status), ErrorKind::kConfig);
  EXPECT_EQ(MessageOf(status).find("ClickHouse: Code 60: Table d.nope"), 0u);
  EXPECT_NE(RemedyOf(status), "");
}

TEST(ServerException, OtherClassesAndOtherExceptions) {
  EXPECT_EQ(
      ParseServerException("Code: 210. DB::NetException: Connection refused (localhost:9000). (NETWORK_ERROR)")->kind,
      ErrorKind::kRetry);
  EXPECT_EQ(
      ParseServerException("std::exception. Code: 1001, type: std::bad_alloc, e.what() = std::bad_alloc")->message,
      "std::bad_alloc");
  EXPECT_EQ(ParseServerException("Poco::Exception. Code: 1000, e.code() = 111, Connection refused")->code, 1000);
  // The first of several, which is the outermost.
  EXPECT_EQ(
      ParseServerException("Code: 279. DB::NetException: All failed. Log:\n\nCode: 210. DB::NetException: refused")
          ->code,
      279);
}

TEST(ServerException, MessageIsForPeople) {
  const auto exception = ParseServerException(
      "Code: 47. DB::Exception: a\n\tb\x01  c. Stack trace:\n\n0. DB::Exception::Exception @ 0x1\n");
  ASSERT_TRUE(exception);
  EXPECT_EQ(exception->message, "a b c.");
  const auto longest = ParseServerException("Code: 47. DB::Exception: " + std::string(100'000, 'x'));
  ASSERT_TRUE(longest);
  EXPECT_LT(longest->message.size(), 5000u);
}

TEST(ServerException, KindsByWhatToDo) {
  for (int code : {16, 47, 60, 81, 164, 291, 497, 516}) EXPECT_EQ(KindOfServerError(code), ErrorKind::kConfig) << code;
  // What a limit of the user's forbids is not worth a second try within the minute.
  for (int code : {158, 159, 160, 201, 241, 307, 396, 395, 394, 999, 1}) {
    EXPECT_EQ(KindOfServerError(code), ErrorKind::kFailed) << code;
  }
  for (int code : {202, 279, 369}) EXPECT_EQ(KindOfServerError(code), ErrorKind::kRetry) << code;
  EXPECT_NE(ParseServerException("Code: 159. DB::Exception: Timeout exceeded")->remedy.find("max_execution_time"),
            std::string::npos);
  for (const char* limit : {"158", "160", "201", "241", "307", "369", "396", "497"}) {
    EXPECT_NE(ParseServerException(std::string("Code: ") + limit + ". DB::Exception: no")->remedy, "") << limit;
  }
}

TEST(ServerException, WhatIsNone) {
  for (const char* text :
       {"", "Code: ", "Code: x. DB::Exception: y", "Code: 60", "Code: 60. nothing",
        "Code: 99999999999999. DB::Exception: y", "Error code: see the manual: there", "502 Bad Gateway"}) {
    EXPECT_FALSE(ParseServerException(text)) << text;
  }
}

TEST(ServerException, AtTheEndItMustRunToTheEnd) {
  const std::string text = "Code: 241. DB::Exception: Memory limit exceeded. (MEMORY_LIMIT_EXCEEDED) (version 24.8)\n";
  const std::string binary("\x01\x00\xff\x00", 4);
  EXPECT_TRUE(ExceptionAtEnd(binary + text, ""));
  EXPECT_FALSE(ExceptionAtEnd(binary + text + binary, ""));
  EXPECT_FALSE(ExceptionAtEnd(binary + text.substr(0, text.size() - 1), ""))
      << "without its last line end it may be a value";
  EXPECT_FALSE(ExceptionAtEnd("", ""));
  EXPECT_TRUE(ExceptionAtEnd(binary + "__exception__\n" + text, ""));
}

TEST(ServerException, WithATagOnlyTheFrameCounts) {
  const std::string tag = "dngjzjnxkvlwkeua";
  const std::string text = "Code: 395. DB::Exception: no. (FUNCTION_THROW_IF_VALUE_IS_NON_ZERO)\n";
  const std::string frame = "\r\n__exception__\r\n" + tag + "\r\n" + text + "71 " + tag + "\r\n__exception__\r\n";
  const std::string binary("\x01\x00", 2);
  const auto exception = ExceptionAtEnd(binary + frame, tag);
  ASSERT_TRUE(exception);
  EXPECT_EQ(exception->code, 395);
  EXPECT_EQ(exception->message, "no. (FUNCTION_THROW_IF_VALUE_IS_NON_ZERO)");
  EXPECT_FALSE(ExceptionAtEnd(binary + text, tag));
  EXPECT_FALSE(ExceptionAtEnd(binary + frame, "aaaaaaaaaaaaaaaa"));
  EXPECT_FALSE(ExceptionAtEnd(binary + frame + "x", tag));
  // Its beginning may lie before what was kept.
  EXPECT_TRUE(ExceptionAtEnd(frame.substr(frame.find("Code")), tag));
}

TEST(ServerException, AtTheStart) {
  const std::string text = "Code: 395. DB::Exception: no. (X)\n";
  EXPECT_TRUE(ExceptionAtStart(text, ""));
  EXPECT_TRUE(ExceptionAtStart("\r\n__exception__\r\nabcdefghijklmnop\r\n" + text, "abcdefghijklmnop"));
  EXPECT_TRUE(ExceptionAtStart("__exception__\n" + text, ""));
  EXPECT_FALSE(ExceptionAtStart("x" + text, ""));
}

}  // namespace
}  // namespace calve::source
