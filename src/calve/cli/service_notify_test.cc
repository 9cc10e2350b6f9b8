#include "calve/cli/service_notify.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <map>

#include "calve/base/random.h"
#include "calve/cli/service_observer.h"
#include "calve/cli/testing_notify_socket.h"
#include "calve/schedule/testing_time.h"

namespace calve::cli {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

Result<ServiceEnvironment> Read(const std::map<std::string, std::string>& variables, int64_t pid = 7) {
  return ReadServiceEnvironment(
      [&](const char* name) {
        const auto found = variables.find(name);
        return found == variables.end() ? nullptr : found->second.c_str();
      },
      pid);
}

std::string AbstractName() { return "@calve-test-" + RandomUuid(); }

TEST(ServiceEnvironment, OfWhoStartedIt) {
  EXPECT_EQ(*Read({}), ServiceEnvironment{});
  EXPECT_EQ(*Read({{"NOTIFY_SOCKET", ""}}), ServiceEnvironment{});
  EXPECT_EQ(*Read({{"NOTIFY_SOCKET", "/run/n"}}), (ServiceEnvironment{"/run/n", std::nullopt}));
  EXPECT_EQ(*Read({{"NOTIFY_SOCKET", "@n"}, {"WATCHDOG_USEC", "20"}}), (ServiceEnvironment{"@n", 20}));
  EXPECT_EQ(*Read({{"NOTIFY_SOCKET", "@n"}, {"WATCHDOG_USEC", "20"}, {"WATCHDOG_PID", "7"}}),
            (ServiceEnvironment{"@n", 20}));
  EXPECT_EQ(*Read({{"NOTIFY_SOCKET", "@n"}, {"WATCHDOG_USEC", "20"}, {"WATCHDOG_PID", "8"}}),
            (ServiceEnvironment{"@n", std::nullopt}))
      << "another process is watched";
  EXPECT_EQ(*Read({{"WATCHDOG_USEC", "20"}}), ServiceEnvironment{}) << "nobody would hear of it";
}

TEST(ServiceEnvironment, WhatSystemdWouldNotSetIsAnError) {
  for (const auto& [name, value] : std::map<std::string, std::string>{{"NOTIFY_SOCKET", "vsock:2:1"},
                                                                      {"NOTIFY_SOCKET", "relative"},
                                                                      {"NOTIFY_SOCKET", "/"},
                                                                      {"WATCHDOG_USEC", "soon"},
                                                                      {"WATCHDOG_USEC", "-1"},
                                                                      {"WATCHDOG_USEC", "1s"},
                                                                      {"WATCHDOG_PID", "me"}}) {
    std::map<std::string, std::string> variables = {{"NOTIFY_SOCKET", "@n"}, {"WATCHDOG_USEC", "20"}};
    variables[name] = value;
    const Status status = Read(variables).status();
    EXPECT_EQ(KindOf(status), ErrorKind::kConfig) << name << value;
    EXPECT_THAT(MessageOf(status), HasSubstr(name));
  }
  EXPECT_EQ(KindOf(Read({{"NOTIFY_SOCKET", "/" + std::string(107, 'x')}}).status()), ErrorKind::kConfig);
  EXPECT_TRUE(Read({{"NOTIFY_SOCKET", "/" + std::string(106, 'x')}}).ok());
}

TEST(StatusLine, IsOneLineOfBoundedLength) {
  EXPECT_EQ(StatusLine("a\nREADY=1\tb"), "a READY=1 b");
  EXPECT_EQ(StatusLine(std::string(600, 'x')), std::string(500, 'x') + "…");
  std::string umlauts;
  for (int n = 0; n < 300; ++n) umlauts += "ü";
  EXPECT_EQ(StatusLine("x" + umlauts), "x" + umlauts.substr(0, 498) + "…") << "no half of a character";
}

TEST(ServiceNotifier, SpeaksTheProtocol) {
  const std::string path = std::filesystem::temp_directory_path() / ("calve-" + RandomUuid().substr(0, 8));
  for (const std::string& name : {path, AbstractName()}) {
    FakeManager manager(name);
    ServiceNotifier notifier({name, std::nullopt});
    notifier.Ready("next");
    EXPECT_EQ(manager.Next(), "READY=1\nSTATUS=next");
    notifier.Status("two\nlines");
    EXPECT_EQ(manager.Next(), "STATUS=two lines");
    notifier.Reloading();
    const std::string reloading = manager.Next();
    EXPECT_THAT(reloading, StartsWith("RELOADING=1\nMONOTONIC_USEC="));
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    const int64_t told = std::stoll(reloading.substr(reloading.find("USEC=") + 5));
    EXPECT_LE(told, now.tv_sec * 1'000'000 + now.tv_nsec / 1000);
    EXPECT_GT(told, (now.tv_sec - 60) * 1'000'000);
    notifier.Stopping("ends", std::nullopt);
    EXPECT_EQ(manager.Next(), "STOPPING=1\nSTATUS=ends");
    notifier.Stopping("ends", 25'000'000);
    EXPECT_EQ(manager.Next(), "STOPPING=1\nSTATUS=ends\nEXTEND_TIMEOUT_USEC=35000000");
    notifier.Alive();
    EXPECT_EQ(manager.NextOfThoseThatCame(), "") << "nobody asked for it";
    EXPECT_TRUE(notifier.failure().ok());
  }
  std::filesystem::remove(path);
}

TEST(ServiceNotifier, WithoutAManagerItIsSilent) {
  ServiceNotifier nobody({});
  nobody.Ready("x");
  nobody.Alive();
  EXPECT_TRUE(nobody.failure().ok());
  EXPECT_FALSE(nobody.alive_every_micros());
  ServiceNotifier gone({"/nonexistent/socket", 1000});
  gone.Ready("x");
  EXPECT_THAT(MessageOf(gone.failure()), HasSubstr("/nonexistent/socket: No such file"));
}

TEST(ServiceNotifier, AManagerThatDoesNotReadIsNotWaitedForForEver) {
  const std::string name = AbstractName();
  FakeManager manager(name);
  ServiceNotifier notifier({name, std::nullopt});
  const auto began = std::chrono::steady_clock::now();
  while (notifier.failure().ok() && std::chrono::steady_clock::now() - began < std::chrono::seconds(60)) {
    notifier.Status("x");
  }
  EXPECT_FALSE(notifier.failure().ok());
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(30));
  EXPECT_EQ(manager.Next(), "STATUS=x");
  while (!manager.NextOfThoseThatCame().empty()) {
  }
  notifier.Status("y");
  EXPECT_TRUE(notifier.failure().ok()) << "it reads again";
}

TEST(AliveWaiter, ShowsUpAtHalfTheTimeWhateverItWaitsFor) {
  const std::string name = AbstractName();
  FakeManager manager(name);
  ServiceNotifier notifier({name, 100'000});
  EXPECT_EQ(notifier.alive_every_micros(), 50'000);
  int looked = 0;
  AliveWaiter waiter(notifier, [&] { ++looked; });
  const auto began = std::chrono::steady_clock::now();
  for (int n = 1; n <= 3; ++n) {
    waiter.WaitUntil(std::numeric_limits<TimestampMicros>::max());
    EXPECT_EQ(looked, n);
    EXPECT_EQ(manager.NextOfThoseThatCame(), "WATCHDOG=1");
  }
  EXPECT_GE(std::chrono::steady_clock::now() - began, std::chrono::milliseconds(150));
  waiter.Wake();
  EXPECT_EQ(waiter.WaitUntil(std::numeric_limits<TimestampMicros>::max()), schedule::Waiter::Reason::kWoken);
}

TEST(AliveWaiter, SaysNothingBeforeItHasLooked) {
  const std::string name = AbstractName();
  FakeManager manager(name);
  ServiceNotifier notifier({name, 100'000});
  AliveWaiter waiter(notifier, [&] { EXPECT_EQ(manager.NextOfThoseThatCame(), "") << "said before it looked"; });
  waiter.WaitUntil(0);
  EXPECT_EQ(manager.NextOfThoseThatCame(), "WATCHDOG=1");
}

class InnerObserver : public schedule::ServeObserver {
 public:
  void OnWaiting(const schedule::DueCycle&) override { ++told; }
  void OnCycleStarted(const schedule::DueCycle&) override { ++told; }
  void OnCycleFinished(const schedule::DueCycle&, const Result<schedule::CycleReport>&) override { ++told; }
  void OnReloaded(const schedule::Cadence&) override { ++told; }
  void OnReloadFailed(const Status&) override { ++told; }
  void OnStopping(std::optional<TimestampMicros>) override { ++told; }
  int told = 0;
};

TEST(ServiceObserver, TellsWhatTheLoopDoes) {
  const std::string name = AbstractName();
  FakeManager manager(name);
  ServiceNotifier notifier({name, std::nullopt});
  schedule::FakeClock clock(schedule::At("2026-11-24T10:07:00Z"));
  Terminal terminal({});
  InnerObserver inner;
  ServiceObserver observer(inner, notifier, clock, terminal);
  const schedule::DueCycle due{schedule::At("2026-11-24T10:15:00Z"), schedule::CycleCause::kSchedule, 1};
  observer.OnWaiting(due);
  EXPECT_EQ(manager.Next(), "READY=1\nSTATUS=next cycle at 2026-11-24T10:15:00Z (schedule)");
  observer.OnCycleStarted(due);
  EXPECT_EQ(manager.Next(), "STATUS=cycle since 2026-11-24T10:07:00Z (schedule)") << "ready once";
  observer.OnCycleFinished(due, MakeError(ErrorKind::kRetry, "no catalog"));
  observer.OnWaiting(due);
  EXPECT_THAT(manager.Next(), HasSubstr("10:15:00Z (schedule); the last cycle failed as a whole: no catalog"));
  observer.OnCycleFinished(due, schedule::CycleReport{});
  observer.OnWaiting(due);
  EXPECT_THAT(manager.Next(), Not(HasSubstr("failed")));
  observer.OnReloadFailed(MakeError(ErrorKind::kConfig, "line 3"));
  EXPECT_EQ(manager.Next(), "READY=1\nSTATUS=the configuration was not read again: line 3") << "a reload has ended";
  observer.OnReloaded(schedule::Cadence::Every(60'000'000).ValueOrDie());
  EXPECT_EQ(manager.Next(), "READY=1\nSTATUS=the configuration was read again: every 1m");
  observer.OnStopping(clock.Now() + 25'000'000);
  EXPECT_EQ(
      manager.Next(),
      "STOPPING=1\nSTATUS=stopping; the cycle that runs has until 2026-11-24T10:07:25Z\nEXTEND_TIMEOUT_USEC=35000000");
  EXPECT_EQ(inner.told, 9);
}

}  // namespace
}  // namespace calve::cli
