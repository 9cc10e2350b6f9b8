// Against a server that answers, refuses, fails or says nothing at all.
#include "calve/notify/notifier.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "calve/http/testing_http_server.h"
#include "calve/notify/problem_file.h"

namespace calve::notify {
namespace {

using Clock = std::chrono::steady_clock;

class NotifierTest : public testing::Test {
 protected:
  NotifierTest() { std::filesystem::create_directories(folder_); }
  ~NotifierTest() override { std::filesystem::remove_all(folder_); }

  NotifierOptions Options(const std::string& url, EndpointKind kind = EndpointKind::kWebhook) const {
    NotifierOptions options;
    EndpointOptions endpoint;
    endpoint.name = "hook";
    endpoint.kind = kind;
    endpoint.url = url;
    options.endpoints = {endpoint};
    options.sender = {"host", "calve.yaml"};
    options.problem_file = (folder_ / "state.json").string();
    options.retry = {.attempts_max = 4, .wait_min_ms = 1, .wait_max_ms = 5};
    return options;
  }
  std::unique_ptr<Notifier> Make(NotifierOptions options) {
    return std::make_unique<Notifier>(std::move(options), clock_, [this](const Event& event) {
      std::lock_guard lock(mutex_);
      events_.push_back(event);
    });
  }
  std::vector<Event> Events(EventKind kind) {
    std::lock_guard lock(mutex_);
    std::vector<Event> found;
    for (const Event& event : events_) {
      if (event.kind() == kind) found.push_back(event);
    }
    return found;
  }
  static Observation Failed(bool holds = true) {
    Observation observation{ProblemKind::kTableFailed, "a", "silver", holds};
    observation.message = "no answer";
    return observation;
  }
  static std::vector<nlohmann::json> Bodies(const http::TestingHttpServer& server) {
    std::vector<nlohmann::json> bodies;
    for (const auto& request : server.seen()) bodies.push_back(nlohmann::json::parse(request.body));
    return bodies;
  }

  const SystemClock clock_;
  const std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() / fmt::format("calve-notifier-{}", getpid());
  std::mutex mutex_;
  std::vector<Event> events_;
};

TEST_F(NotifierTest, OneProcessTellsTheProblemAndAnotherItsEnd) {
  http::TestingHttpServer server([](const http::SeenRequest&, http::HttpAnswer& answer) { answer.Whole(200, "ok"); });
  for (const bool holds : {true, true, false, false}) {
    auto notifier = Make(Options(server.url("/hook?token=hunter22")));
    notifier->Observe({Failed(holds)});
    notifier->Finish(10'000);
  }
  const auto bodies = Bodies(server);
  ASSERT_EQ(bodies.size(), 2u);
  EXPECT_EQ(bodies[0]["status"], "firing");
  EXPECT_EQ(bodies[1]["status"], "resolved");
  EXPECT_EQ(server.seen()[0].target, "/hook?token=hunter22");
  EXPECT_EQ(server.seen()[0].method, "POST");
  EXPECT_EQ(server.seen()[0].headers.at("content-type"), "application/json");
  EXPECT_EQ(Events(EventKind::kNotificationSent).size(), 2u);
}

TEST_F(NotifierTest, SecretsAreReadFromFilesEachTime) {
  http::TestingHttpServer server([](const http::SeenRequest&, http::HttpAnswer& answer) { answer.Whole(200, ""); });
  std::ofstream(folder_ / "url") << server.url("/secret-path") << "\n";
  std::ofstream(folder_ / "headers") << "Authorization: Bearer t0ken\n\nX-Team: data\r\n";
  NotifierOptions options = Options("");
  options.endpoints[0].url_file = (folder_ / "url").string();
  options.endpoints[0].headers_file = (folder_ / "headers").string();
  options.endpoints[0].headers = {"X-More: yes"};
  auto notifier = Make(options);
  notifier->Observe({Failed()});
  notifier->Finish(10'000);
  ASSERT_EQ(server.seen().size(), 1u);
  EXPECT_EQ(server.seen()[0].target, "/secret-path");
  EXPECT_EQ(server.seen()[0].headers.at("authorization"), "Bearer t0ken");
  EXPECT_EQ(server.seen()[0].headers.at("x-team"), "data");
  EXPECT_EQ(server.seen()[0].headers.at("x-more"), "yes");
}

TEST_F(NotifierTest, WhatMayPassIsTriedAgain) {
  std::atomic<int> asked = 0;
  http::TestingHttpServer server([&](const http::SeenRequest&, http::HttpAnswer& answer) {
    ++asked < 3 ? answer.Whole(503, "busy") : answer.Whole(204, "");
  });
  auto notifier = Make(Options(server.url("/")));
  notifier->Observe({Failed()});
  notifier->Finish(10'000);
  EXPECT_EQ(asked, 3);
  EXPECT_EQ(Events(EventKind::kNotificationSent).size(), 1u);
  EXPECT_TRUE(Events(EventKind::kNotificationFailed).empty());
}

TEST_F(NotifierTest, ARefusalIsToldOnceAndTheNextProcessTriesAnew) {
  std::atomic<bool> refuses = true;
  http::TestingHttpServer server([&](const http::SeenRequest&, http::HttpAnswer& answer) {
    answer.Whole(refuses ? 404 : 200, "the answer's own words");
  });
  {
    auto notifier = Make(Options(server.url("/hook/t0ken")));
    notifier->Observe({Failed()});
    notifier->Finish(10'000);
  }
  EXPECT_EQ(server.seen().size(), 1u) << "no second try";
  const auto failed = Events(EventKind::kNotificationFailed);
  ASSERT_EQ(failed.size(), 1u);
  EXPECT_NE(failed[0].message().find("HTTP status 404"), std::string::npos) << failed[0].message();
  EXPECT_EQ(failed[0].message().find("t0ken"), std::string::npos) << "a URL may hold a secret";
  EXPECT_FALSE(failed[0].TextOf(EventField::kRemedy).empty());
  refuses = false;
  {
    auto notifier = Make(Options(server.url("/hook/t0ken")));
    notifier->Observe({Failed()});
    notifier->Finish(10'000);
  }
  EXPECT_EQ(Events(EventKind::kNotificationSent).size(), 1u);
}

TEST_F(NotifierTest, OneThatSaysNothingHoldsNobodyUp) {
  http::TestingHttpServer silent(
      [](const http::SeenRequest&, http::HttpAnswer& answer) { answer.WaitForClientToGo(); });
  http::TestingHttpServer good([](const http::SeenRequest&, http::HttpAnswer& answer) { answer.Whole(200, ""); });
  NotifierOptions options = Options(silent.url("/"));
  options.endpoints.push_back(options.endpoints[0]);
  options.endpoints.back().url = good.url("/");
  options.endpoints.back().name = "good";
  options.waiting_max = 5;
  const auto began = Clock::now();
  {
    auto notifier = Make(options);
    for (int i = 0; i < 20; ++i) {
      notifier->Observe({Failed()});
      notifier->Observe({Failed(false)});
    }
    EXPECT_LT(Clock::now() - began, std::chrono::seconds(1)) << "who observes goes on at once";
    notifier->Observe({Failed()});
    notifier->Finish(300);
  }
  EXPECT_LT(Clock::now() - began, std::chrono::seconds(5)) << "and the end comes soon";
  EXPECT_GE(good.seen().size(), 1u);
  // The problem was not told to the one that said nothing, so the next process tells it.
  ASSERT_TRUE(
      UpdateProblemFile(options.problem_file, [](ProblemBook& book) { EXPECT_TRUE(book.Told().empty()); }).ok());
}

TEST_F(NotifierTest, NobodyThereIsAWarning) {
  const auto began = Clock::now();
  {
    auto notifier = Make(Options("http://127.0.0.1:1/hook"));
    notifier->Observe({Failed()});
    notifier->Finish(10'000);
  }
  EXPECT_LT(Clock::now() - began, std::chrono::seconds(5));
  ASSERT_EQ(Events(EventKind::kNotificationFailed).size(), 1u);
  EXPECT_EQ(Events(EventKind::kNotificationFailed)[0].TextOf(EventField::kErrorKind), "retry");
}

TEST_F(NotifierTest, AlertmanagerIsSentAgainWhatLasts) {
  http::TestingHttpServer server([](const http::SeenRequest&, http::HttpAnswer& answer) { answer.Whole(200, ""); });
  NotifierOptions options = Options(server.url(""), EndpointKind::kAlertmanager);
  options.tick_micros = 20'000;
  auto notifier = Make(options);
  notifier->Observe({Failed()});
  const auto deadline = Clock::now() + std::chrono::seconds(20);
  while (server.seen().size() < 4 && Clock::now() < deadline) std::this_thread::sleep_for(std::chrono::milliseconds(2));
  notifier->Observe({Failed(false)});
  notifier->Finish(10'000);
  const auto bodies = Bodies(server);
  ASSERT_GE(bodies.size(), 5u);
  EXPECT_EQ(server.seen()[0].target, "/api/v2/alerts");
  for (const auto& body : bodies) {
    ASSERT_EQ(body.size(), 1u) << body;
    EXPECT_EQ(body[0]["labels"]["alertname"], "CalveTableFailed");
    EXPECT_EQ(body[0]["startsAt"], bodies[0][0]["startsAt"]);
  }
  EXPECT_LT(bodies[0][0]["endsAt"], bodies[3][0]["endsAt"]) << "its end is put off each time";
  const size_t before = server.seen().size();
  std::this_thread::sleep_for(std::chrono::milliseconds(60));
  EXPECT_EQ(server.seen().size(), before) << "and nothing is sent once it is over";
}

TEST_F(NotifierTest, ACommandsAlertLastsUntilTheNextOne) {
  http::TestingHttpServer server([](const http::SeenRequest&, http::HttpAnswer& answer) { answer.Whole(200, ""); });
  for (int run = 0; run < 2; ++run) {
    auto notifier = Make(Options(server.url(""), EndpointKind::kAlertmanager));
    notifier->Observe({Failed()});
    notifier->Finish(10'000);
  }
  const auto bodies = Bodies(server);
  ASSERT_EQ(bodies.size(), 2u) << "each run sends what holds";
  const auto ends = ParseTimestamp(bodies[0][0]["endsAt"].get<std::string>());
  EXPECT_GT(*ends - clock_.Now(), 23 * 3'600 * kMicrosPerSecond);
}

TEST_F(NotifierTest, AStateFileThatCannotBeKeptIsAWarningOnce) {
  http::TestingHttpServer server([](const http::SeenRequest&, http::HttpAnswer& answer) { answer.Whole(200, ""); });
  NotifierOptions options = Options(server.url("/"));
  options.problem_file = (folder_ / "none" / "state.json").string();
  auto notifier = Make(options);
  for (const bool holds : {true, true, false}) notifier->Observe({Failed(holds)});
  notifier->Finish(10'000);
  EXPECT_EQ(Bodies(server).size(), 2u) << "this process remembers by itself";
  EXPECT_EQ(Events(EventKind::kNotificationFailed).size(), 1u);
}

TEST(NotifyUrl, OnlyWhatCanBePostedTo) {
  for (const char* good : {"http://h/", "https://h:1/a?b=c&d=e", "http://[::1]:9093"})
    EXPECT_TRUE(CheckNotifyUrl(good).ok());
  for (const char* bad : {"", "h/x", "ftp://h", "http://user:hunter22@h/", "http://h/a?b c"}) {
    const Status status = CheckNotifyUrl(bad);
    EXPECT_EQ(KindOf(status), ErrorKind::kConfig) << bad;
    EXPECT_EQ(MessageOf(status).find("hunter22"), std::string::npos);
  }
}

}  // namespace
}  // namespace calve::notify
