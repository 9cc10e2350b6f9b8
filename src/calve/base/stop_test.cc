#include "calve/base/stop.h"

#include <gtest/gtest.h>

#include <thread>

namespace calve {
namespace {

TEST(StopToken, KeepsTheSignal) {
  StopToken stop;
  EXPECT_TRUE(stop.Check().ok());
  stop.RequestStop(15);
  EXPECT_TRUE(stop.stopped());
  EXPECT_EQ(stop.signal(), 15);
  EXPECT_EQ(KindOf(stop.Check()), ErrorKind::kStopped);
}

TEST(StopListener, IsToldWhileItIsThere) {
  StopToken stop;
  int stops = 0, reloads = 0;
  EXPECT_FALSE(stop.RequestReload()) << "nobody listens";
  {
    StopListener listener(
        stop, [&] { ++stops; }, [&] { ++reloads; });
    EXPECT_TRUE(stop.RequestReload());
    EXPECT_EQ(stops, 0);
    stop.RequestStop();
    EXPECT_EQ(stops, 1);
  }
  EXPECT_FALSE(stop.RequestReload());
  stop.RequestStop();
  EXPECT_EQ(stops, 1);
  EXPECT_EQ(reloads, 1);
}

TEST(StopListener, LearnsOfAStopBeforeItsTime) {
  StopToken stop;
  stop.RequestStop();
  int stops = 0;
  StopListener listener(
      stop, [&] { ++stops; }, [] {});
  EXPECT_EQ(stops, 1);
}

TEST(StopListener, MayGoWhileOthersRequest) {
  StopToken stop;
  std::jthread requester([&](const std::stop_token& done) {
    while (!done.stop_requested()) stop.RequestReload();
  });
  for (int i = 0; i < 1000; ++i) {
    auto alive = std::make_unique<int>(0);
    StopListener listener(
        stop, [] {}, [&] { ++*alive; });
  }
}

}  // namespace
}  // namespace calve
