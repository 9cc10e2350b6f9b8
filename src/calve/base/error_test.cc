#include "calve/base/error.h"

#include <gtest/gtest.h>

#include "calve/base/stop.h"

namespace calve {
namespace {

TEST(Error, CarriesKindMessageAndRemedy) {
  Status status = MakeError(ErrorKind::kConflict, "table cold.t moved on", "Run it again.");
  EXPECT_FALSE(status.ok());
  EXPECT_EQ(KindOf(status), ErrorKind::kConflict);
  EXPECT_EQ(MessageOf(status), "table cold.t moved on");
  EXPECT_EQ(RemedyOf(status), "Run it again.");
}

TEST(Error, ForeignStatusIsFailedWithoutRemedy) {
  Status status = Status::IOError("disk on fire");
  EXPECT_EQ(KindOf(status), ErrorKind::kFailed);
  EXPECT_EQ(RemedyOf(status), "");
  EXPECT_EQ(MessageOf(status), "disk on fire");
}

TEST(Error, ContextKeepsKindAndRemedy) {
  Status status = WithContext(MakeError(ErrorKind::kValue, "300 does not fit", "Widen it."), "column 'a'");
  EXPECT_EQ(MessageOf(status), "column 'a': 300 does not fit");
  EXPECT_EQ(KindOf(status), ErrorKind::kValue);
  EXPECT_EQ(RemedyOf(status), "Widen it.");
  EXPECT_TRUE(WithContext(Status::OK(), "x").ok());
  EXPECT_TRUE(WithContext(Status::IOError("x"), "y").IsIOError());
}

TEST(Error, KindCanBeReplaced) {
  Status status = WithKind(Status::IOError("timed out"), ErrorKind::kUnknownOutcome, "Look first.");
  EXPECT_EQ(KindOf(status), ErrorKind::kUnknownOutcome);
  EXPECT_EQ(MessageOf(status), "timed out");
  EXPECT_EQ(RemedyOf(status), "Look first.");
  EXPECT_TRUE(WithKind(Status::OK(), ErrorKind::kRetry).ok());
}

TEST(Error, KindNamesAreDistinct) {
  std::vector<std::string_view> names;
  for (int kind = 0; kind <= static_cast<int>(ErrorKind::kStopped); ++kind) {
    names.push_back(ErrorKindName(static_cast<ErrorKind>(kind)));
  }
  std::sort(names.begin(), names.end());
  EXPECT_EQ(std::adjacent_find(names.begin(), names.end()), names.end());
}

TEST(StopToken, RemembersSignal) {
  StopToken token;
  EXPECT_TRUE(token.Check().ok());
  EXPECT_FALSE(token.stopped());
  token.RequestStop(15);
  EXPECT_TRUE(token.stopped());
  EXPECT_EQ(token.signal(), 15);
  EXPECT_EQ(KindOf(token.Check()), ErrorKind::kStopped);
}

}  // namespace
}  // namespace calve
