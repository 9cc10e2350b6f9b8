#include "calve/cycle/server_load.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "calve/source/testing_fake_source.h"

namespace calve::cycle {
namespace {

using source::TestingFakeSource;
using Rows = TestingFakeSource::Rows;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr int64_t kMillisecond = 1000;

struct Notes : offload::ProgressSink {
  void Update(const offload::Progress&) override {}
  void Note(const std::string& text) override { said.push_back(text); }
  std::vector<std::string> said;
};

bool AsksForMemory(const std::string& sql) { return sql.find("MemoryTracking") != std::string::npos; }

class ServerLoad : public ::testing::Test {
 protected:
  // A server that says so many queries run, one answer after the other; the last one for ever.
  static TestingFakeSource Running(std::vector<std::string> counts) {
    return TestingFakeSource([counts, next = size_t{0}](const std::string&) mutable -> Result<Rows> {
      const size_t at = std::min(next++, counts.size() - 1);
      return Rows{{counts[at]}};
    });
  }
  Status Wait(TestingFakeSource& source) { return WaitWhileBusy(source, pause_, stop_, notes_, kMillisecond); }

  config::PauseConfig pause_{5, std::nullopt, 3600 * kMicrosPerSecond};
  StopToken stop_;
  Notes notes_;
};

TEST_F(ServerLoad, NothingIsAskedWithoutALimit) {
  auto source = Running({"1000"});
  pause_.running_queries.reset();
  EXPECT_TRUE(Wait(source).ok());
  EXPECT_THAT(source.asked, IsEmpty());
}

TEST_F(ServerLoad, AsManyAsAllowedIsNotBusy) {
  auto source = Running({"5"});
  EXPECT_TRUE(Wait(source).ok());
  EXPECT_THAT(source.asked, SizeIs(1));
  EXPECT_THAT(notes_.said, IsEmpty());
}

TEST_F(ServerLoad, WaitsUntilItIsLessBusyAndTellsOnce) {
  auto source = Running({"9", "7", "6", "5"});
  EXPECT_TRUE(Wait(source).ok());
  EXPECT_THAT(source.asked, SizeIs(4));
  EXPECT_THAT(notes_.said, ElementsAre("waiting: 9 queries of others run on the server "
                                       "(limits.pause_when.running_queries: 5)"));
}

// A server that sees the queries of calve's other tables, and this one, would never be idle.
TEST_F(ServerLoad, ItsOwnQueriesDoNotCount) {
  auto source = Running({"0"});
  ASSERT_TRUE(Wait(source).ok());
  EXPECT_THAT(source.asked[0], AllOf(HasSubstr("system.processes"), HasSubstr("NOT startsWith(query_id, 'calve-')")));
}

TEST_F(ServerLoad, Memory) {
  std::string percent = "81";
  TestingFakeSource source(
      [&](const std::string& sql) -> Result<Rows> { return AsksForMemory(sql) ? Rows{{percent}} : Rows{{"0"}}; });
  pause_.memory_percent = 80;
  EXPECT_EQ(*WhyBusy(source, pause_), "the server uses 81% of its memory (limits.pause_when.memory: 80%)");
  percent = "80";
  EXPECT_EQ(*WhyBusy(source, pause_), "");
  EXPECT_THAT(source.asked, SizeIs(4));
  pause_.running_queries.reset();
  EXPECT_EQ(*WhyBusy(source, pause_), "");
  EXPECT_THAT(source.asked, SizeIs(5)) << "what has no limit is not asked for";
}

TEST_F(ServerLoad, GoesOnWhenTheLongestWaitIsOver) {
  auto source = Running({"9"});
  pause_.longest_micros = 20 * kMillisecond;
  const auto began = std::chrono::steady_clock::now();
  EXPECT_TRUE(Wait(source).ok());
  EXPECT_GE(std::chrono::steady_clock::now() - began, std::chrono::milliseconds(20));
  ASSERT_THAT(notes_.said, SizeIs(2));
  EXPECT_THAT(notes_.said[1], AllOf(HasSubstr("still 9 queries"), HasSubstr("going on after ")));
}

TEST_F(ServerLoad, NoWaitAtAllWhereTheLongestIsNone) {
  auto source = Running({"9"});
  pause_.longest_micros = 0;
  EXPECT_TRUE(Wait(source).ok());
  EXPECT_THAT(source.asked, SizeIs(1));
}

// A right that is missing must not keep rows from being offloaded.
TEST_F(ServerLoad, ThatItCannotBeAskedIsANote) {
  for (ErrorKind kind : {ErrorKind::kFailed, ErrorKind::kConfig, ErrorKind::kRetry}) {
    TestingFakeSource source([&](const std::string&) -> Result<Rows> { return MakeError(kind, "not enough rights"); });
    notes_.said.clear();
    EXPECT_TRUE(Wait(source).ok());
    EXPECT_THAT(notes_.said, ElementsAre("how busy the server is cannot be asked, going on: not enough rights"));
    EXPECT_THAT(source.asked, SizeIs(1));
  }
}

TEST_F(ServerLoad, WhatIsNoNumberIsANote) {
  for (const Rows& rows : {Rows{{""}}, Rows{{"many"}}, Rows{}}) {
    TestingFakeSource source([&](const std::string&) { return rows; });
    notes_.said.clear();
    EXPECT_TRUE(Wait(source).ok());
    EXPECT_THAT(notes_.said, ElementsAre(HasSubstr("going on: ")));
  }
}

TEST_F(ServerLoad, AStopEndsTheWait) {
  auto source = Running({"9"});
  std::jthread stopper([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    stop_.RequestStop(15);
  });
  const auto began = std::chrono::steady_clock::now();
  EXPECT_EQ(KindOf(WaitWhileBusy(source, pause_, stop_, notes_, 3600 * kMicrosPerSecond)), ErrorKind::kStopped);
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(5));
}

TEST_F(ServerLoad, AQueryThatWasStoppedStops) {
  TestingFakeSource source(
      [](const std::string&) -> Result<Rows> { return MakeError(ErrorKind::kStopped, "stopped"); });
  EXPECT_EQ(KindOf(Wait(source)), ErrorKind::kStopped);
  EXPECT_THAT(notes_.said, IsEmpty());
}

}  // namespace
}  // namespace calve::cycle
