#include "calve/serve/event_hub.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>

namespace calve::serve {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

// The two ends of a connection: the hub's, and the reader's.
class Pair {
 public:
  Pair() { EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends_), 0); }
  ~Pair() { Close(); }
  Pair(const Pair&) = delete;
  Pair& operator=(const Pair&) = delete;

  std::unique_ptr<Connection> Server() { return std::make_unique<Connection>(std::exchange(ends_[0], -1), nullptr); }
  void Close() {
    for (int& end : ends_) {
      if (end >= 0) close(std::exchange(end, -1));
    }
  }
  void Forget() { text_.clear(); }
  // Until the text holds the words, or the hub lets go ("(closed)" is added).
  const std::string& ReadUntil(const std::string& words) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (text_.find(words) == std::string::npos && std::chrono::steady_clock::now() < end) {
      pollfd poll_socket{ends_[1], POLLIN, 0};
      if (poll(&poll_socket, 1, 100) <= 0) continue;
      char piece[4096];
      const ssize_t got = recv(ends_[1], piece, sizeof piece, 0);
      if (got <= 0) {
        text_ += "(closed)";
        break;
      }
      text_.append(piece, static_cast<size_t>(got));
    }
    return text_;
  }

 private:
  int ends_[2] = {-1, -1};
  std::string text_;
};

// What is told, set by the test.
class Told {
 public:
  EventSource Source() {
    return {[this] {
              std::lock_guard lock(mutex_);
              return ServerEvent{"status", whole_};
            },
            [this] {
              std::lock_guard lock(mutex_);
              return std::exchange(changes_, {});
            }};
  }
  void Whole(std::string text) {
    std::lock_guard lock(mutex_);
    whole_ = std::move(text);
  }
  void Change(const std::string& name, const std::string& data) {
    std::lock_guard lock(mutex_);
    changes_.push_back({name, data});
  }

 private:
  std::mutex mutex_;
  std::string whole_ = "{}";          // protected by mutex_
  std::vector<ServerEvent> changes_;  // protected by mutex_
};

EventLimits Fast() {
  EventLimits limits;
  limits.look_micros = 2'000;
  limits.heartbeat_micros = 40'000;
  return limits;
}

void WaitFor(const std::function<bool()>& condition) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!condition() && std::chrono::steady_clock::now() < end)
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  EXPECT_TRUE(condition());
}

TEST(EventHub, WritesEventsOnOneLineEach) {
  EXPECT_EQ(EventText({"table", "{\"a\":\n1}"}, 7), "id: 7\nevent: table\ndata: {\"a\": 1}\n\n");
}

TEST(EventHub, TellsTheWholeThenWhatChangesThenThatItLives) {
  Told told;
  EventHub hub(told.Source(), Fast());
  Pair first;
  told.Whole("{\"n\":1}");
  ASSERT_TRUE(hub.Reserve());
  hub.Add(first.Server());
  EXPECT_THAT(first.ReadUntil("{\"n\":1}"), HasSubstr("event: status\ndata: {\"n\":1}"));
  told.Change("table", "{\"t\":1}");
  EXPECT_THAT(first.ReadUntil("{\"t\":1}"), HasSubstr("event: table\ndata: {\"t\":1}\n\n"));
  EXPECT_THAT(first.ReadUntil(": still here"), HasSubstr(": still here\n\n"));
  // A second one gets the whole, and not what came before it.
  Pair second;
  told.Whole("{\"n\":2}");
  ASSERT_TRUE(hub.Reserve());
  hub.Add(second.Server());
  const std::string& heard = second.ReadUntil("{\"n\":2}");
  EXPECT_THAT(heard, HasSubstr("{\"n\":2}"));
  EXPECT_EQ(heard.find("{\"t\":1}"), std::string::npos);
  EXPECT_EQ(hub.readers(), 2u);
  second.Close();
  WaitFor([&] { return hub.readers() == 1; });
}

TEST(EventHub, LetsGoOfOneWhoDoesNotKeepUp) {
  Told told;
  EventLimits limits = Fast();
  limits.behind_max = 64 << 10;
  EventHub hub(told.Source(), limits);
  Pair slow, quick;
  ASSERT_TRUE(hub.Reserve());
  hub.Add(slow.Server());
  ASSERT_TRUE(hub.Reserve());
  hub.Add(quick.Server());
  quick.ReadUntil("event: status");
  int n = 0;
  while (hub.readers() == 2 && n < 300) {
    told.Change("progress", std::string(20'000, 'x') + std::to_string(n));
    quick.ReadUntil("x" + std::to_string(n++) + "\n");
    quick.Forget();
  }
  EXPECT_EQ(hub.readers(), 1u) << "the quick one stays";
  EXPECT_LT(n, 200) << "what waits for the slow one is bounded";
  told.Change("progress", "the end");
  EXPECT_THAT(quick.ReadUntil("the end"), HasSubstr("the end"));
}

TEST(EventHub, HasABoundedNumberOfPlaces) {
  Told told;
  EventLimits limits = Fast();
  limits.readers = 2;
  EventHub hub(told.Source(), limits);
  EXPECT_TRUE(hub.Reserve());
  EXPECT_TRUE(hub.Reserve());
  EXPECT_FALSE(hub.Reserve());
  hub.Release();
  EXPECT_TRUE(hub.Reserve());
}

TEST(EventHub, EndsWithReadersThatAreStillThere) {
  Told told;
  Pair reader;
  {
    EventHub hub(told.Source(), Fast());
    ASSERT_TRUE(hub.Reserve());
    hub.Add(reader.Server());
    reader.ReadUntil("event: status");
  }
  EXPECT_THAT(reader.ReadUntil("nothing more"), HasSubstr("(closed)"));
}

}  // namespace
}  // namespace calve::serve
