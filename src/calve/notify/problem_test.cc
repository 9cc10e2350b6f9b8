#include "calve/notify/problem.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>

#include "calve/notify/payload.h"
#include "calve/notify/problem_file.h"

namespace calve::notify {
namespace {

constexpr TimestampMicros kNoon = 1'723'204'800'000'000;  // 2024-08-09T12:00:00Z
constexpr int64_t kMinute = 60 * kMicrosPerSecond;

Observation Failing(const std::string& table, bool holds = true) {
  Observation observation{ProblemKind::kTableFailed, table, "silver", holds};
  if (holds) observation.error_kind = "retry", observation.message = "no answer", observation.remedy = "wait";
  observation.cycle = "c1";
  return observation;
}

TEST(ProblemBook, TellsAFailureOnceAndItsEndOnce) {
  ProblemBook book;
  const NoticePolicy policy;
  const auto first = book.Observe(Failing("a"), policy, kNoon);
  ASSERT_TRUE(first);
  EXPECT_EQ(first->reason, NoticeReason::kNew);
  EXPECT_EQ(SummaryOf(*first), "a has failed");
  for (int i = 1; i < 10; ++i) EXPECT_FALSE(book.Observe(Failing("a"), policy, kNoon + i * kMinute));
  EXPECT_TRUE(book.Observe(Failing("b"), policy, kNoon)) << "another table is another problem";
  const auto over = book.Observe(Failing("a", false), policy, kNoon + 10 * kMinute);
  ASSERT_TRUE(over);
  EXPECT_EQ(over->reason, NoticeReason::kResolved);
  EXPECT_EQ(over->problem.count, 10);
  EXPECT_EQ(over->problem.first_at, kNoon);
  EXPECT_EQ(SummaryOf(*over), "over: a has failed 10 times in a row");
  EXPECT_FALSE(book.Observe(Failing("a", false), policy, kNoon + 11 * kMinute));
  EXPECT_TRUE(book.Observe(Failing("a"), policy, kNoon + 12 * kMinute)) << "it is a new one";
}

TEST(ProblemBook, WaitsForAsManyFailuresAsItIsToldTo) {
  ProblemBook book;
  const NoticePolicy policy{.after = 3};
  EXPECT_FALSE(book.Observe(Failing("a"), policy, kNoon));
  EXPECT_FALSE(book.Observe(Failing("a"), policy, kNoon));
  EXPECT_FALSE(book.Observe(Failing("a", false), policy, kNoon)) << "nobody knew of it";
  EXPECT_FALSE(book.Observe(Failing("a"), policy, kNoon));
  EXPECT_FALSE(book.Observe(Failing("a"), policy, kNoon));
  EXPECT_TRUE(book.Observe(Failing("a"), policy, kNoon));
  EXPECT_TRUE(book.Observe({ProblemKind::kRowsMissing, "a", "", true}, policy, kNoon)) << "what verify finds is sure";
}

TEST(ProblemBook, RemindsWhileItLasts) {
  ProblemBook book;
  const NoticePolicy policy;
  ASSERT_TRUE(book.Observe(Failing("a"), policy, kNoon));
  EXPECT_FALSE(book.Observe(Failing("a"), policy, kNoon + 239 * kMinute));
  const auto again = book.Observe(Failing("a"), policy, kNoon + 240 * kMinute);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->reason, NoticeReason::kReminder);
  EXPECT_TRUE(book.Remind(policy, kNoon + 479 * kMinute).empty());
  EXPECT_EQ(book.Remind(policy, kNoon + 480 * kMinute).size(), 1u) << "of a table that is put aside";
  EXPECT_TRUE(book.Remind({.repeat_micros = 0}, kNoon + 10'000 * kMinute).empty());
  EXPECT_TRUE(book.Remind(policy, kNoon - kMinute).empty()) << "a clock that was set back";
}

TEST(ProblemBook, WhatCouldNotBeToldIsToldByTheNextLook) {
  ProblemBook book;
  ASSERT_TRUE(book.Observe(Failing("a"), {}, kNoon));
  book.Untell({ProblemKind::kTableFailed, "a"});
  EXPECT_TRUE(book.Told().empty());
  EXPECT_TRUE(book.Observe(Failing("a"), {}, kNoon));
}

TEST(ProblemBook, TablesThatAreGoneHaveNoProblems) {
  ProblemBook book;
  const Observation cycle{ProblemKind::kCycleFailed, "", "", true};
  ASSERT_TRUE(book.Observe(Failing("a"), {}, kNoon));
  ASSERT_TRUE(book.Observe(cycle, {}, kNoon));
  const auto over = book.Keep({"b"}, kNoon);
  ASSERT_EQ(over.size(), 1u);
  EXPECT_EQ(over[0].reason, NoticeReason::kResolved);
  EXPECT_EQ(book.Told().size(), 1u) << "the cycle's stays";
}

// Whatever happens: between two notices of a new problem lies its end, and the other way around.
TEST(ProblemBook, NewAndOverAlternate) {
  std::mt19937 random(7);
  ProblemBook book;
  std::map<std::string, bool> is_told;
  const NoticePolicy policy{.after = 2, .repeat_micros = 3 * kMinute};
  for (int step = 0; step < 20'000; ++step) {
    const std::string table(1, static_cast<char>('a' + random() % 3));
    const TimestampMicros now = kNoon + step * kMinute / 4;
    if (random() % 50 == 0) {
      auto reread = ProblemBook::FromText(book.ToText());
      ASSERT_TRUE(reread.ok()) << reread.status().ToString();
      ASSERT_EQ(*reread, book);
      book = *reread;
    }
    const auto notice = book.Observe(Failing(table, random() % 2 == 0), policy, now);
    if (!notice) continue;
    const bool told = is_told[table];
    EXPECT_EQ(told, notice->reason != NoticeReason::kNew);
    is_told[table] = notice->reason != NoticeReason::kResolved;
  }
}

TEST(ProblemBook, TextThatIsNoneOfCalvesIsRefused) {
  for (const char* text : {"", "{}", "[]", "nonsense", R"({"calve_problems": 2, "problems": []})",
                           R"({"calve_problems": 1, "problems": [{"problem": "x"}]})",
                           R"({"calve_problems": 1, "problems": [{"problem": "table_failed"}]})"}) {
    EXPECT_EQ(KindOf(ProblemBook::FromText(text).status()), ErrorKind::kCorrupt) << text;
  }
}

TEST(Payload, AWebhookGetsAllThatIsKnown) {
  ProblemBook book;
  const Notice notice = *book.Observe(Failing("a"), {}, kNoon);
  const auto json = nlohmann::json::parse(WebhookBody(notice, {"host1", "calve.yaml"}));
  EXPECT_EQ(json, nlohmann::json::parse(R"({"version":1,"status":"firing","reason":"new","problem":"table_failed",
    "alert":"CalveTableFailed","severity":"warning","summary":"a has failed","count":1,
    "first_at":"2024-08-09T12:00:00.000000Z","last_at":"2024-08-09T12:00:00.000000Z","table":"a","layer":"silver",
    "error_kind":"retry","message":"no answer","remedy":"wait","cycle":"c1",
    "runbook":"docs/runbooks/failures-in-a-row.md","host":"host1","config":"calve.yaml"})"));
  const auto over = book.Observe(Failing("a", false), {}, kNoon + kMinute);
  const auto ended = nlohmann::json::parse(WebhookBody(*over, {"host1", "calve.yaml"}));
  EXPECT_EQ(ended["status"], "resolved");
  EXPECT_EQ(ended["ended_at"], "2024-08-09T12:01:00.000000Z");
}

TEST(Payload, AnAlertIsKnownByTheSameLabelsToItsEnd) {
  ProblemBook book;
  Observation failing = Failing("a");
  ASSERT_TRUE(book.Observe(failing, {}, kNoon));
  failing.message = "something else \xff";
  failing.error_kind = "config";
  ASSERT_FALSE(book.Observe(failing, {}, kNoon + kMinute));
  const auto firing = nlohmann::json::parse(AlertmanagerBody(book.Told(), kNoon + 5 * kMinute, {}, {"h", ""}));
  const auto over = *book.Observe(Failing("a", false), {}, kNoon + 2 * kMinute);
  const auto ended = nlohmann::json::parse(AlertmanagerBody(book.Told(), kNoon, {over}, {"h", ""}));
  ASSERT_EQ(firing.size(), 1u);
  ASSERT_EQ(ended.size(), 1u);
  EXPECT_EQ(firing[0]["labels"], ended[0]["labels"]);
  EXPECT_EQ(firing[0]["labels"], nlohmann::json::parse(R"({"alertname":"CalveTableFailed","severity":"warning",
    "service":"calve","table":"a","layer":"silver","instance":"h"})"));
  EXPECT_EQ(firing[0]["endsAt"], "2024-08-09T12:05:00.000000Z");
  EXPECT_EQ(ended[0]["endsAt"], "2024-08-09T12:02:00.000000Z");
  EXPECT_EQ(ended[0]["startsAt"], "2024-08-09T12:00:00.000000Z");
}

class ProblemFileTest : public testing::Test {
 protected:
  ProblemFileTest() { std::filesystem::create_directories(folder_); }
  ~ProblemFileTest() override { std::filesystem::remove_all(folder_); }
  const std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() / fmt::format("calve-notify-{}", getpid());
  const std::string path_ = (folder_ / "state.json").string();
};

TEST_F(ProblemFileTest, KeepsWhatIsKnown) {
  ASSERT_TRUE(UpdateProblemFile(path_, [](ProblemBook& book) { EXPECT_TRUE(book.empty()); }).ok());
  EXPECT_FALSE(std::filesystem::exists(path_)) << "nothing changed";
  ASSERT_TRUE(UpdateProblemFile(path_, [](ProblemBook& book) { book.Observe(Failing("a"), {}, kNoon); }).ok());
  ASSERT_TRUE(UpdateProblemFile(path_, [](ProblemBook& book) { EXPECT_EQ(book.Told().size(), 1u); }).ok());
  EXPECT_EQ(std::filesystem::status(path_).permissions(),
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
}

TEST_F(ProblemFileTest, LeavesWhatIsNotItsOwn) {
  std::ofstream(path_) << "precious";
  const Status status = UpdateProblemFile(path_, [](ProblemBook&) { ADD_FAILURE(); });
  EXPECT_EQ(KindOf(status), ErrorKind::kCorrupt);
  EXPECT_NE(RemedyOf(status).find("notify.state_file"), std::string::npos);
  std::string text;
  std::ifstream(path_) >> text;
  EXPECT_EQ(text, "precious");
  EXPECT_FALSE(UpdateProblemFile((folder_ / "none" / "x").string(), [](ProblemBook&) {}).ok());
}

}  // namespace
}  // namespace calve::notify
