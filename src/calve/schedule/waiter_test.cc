#include "calve/schedule/waiter.h"

#include <gtest/gtest.h>

#include <limits>
#include <thread>

namespace calve::schedule {
namespace {

constexpr TimestampMicros kForever = std::numeric_limits<TimestampMicros>::max();

TEST(SystemWaiter, WaitsUntilTheTime) {
  SystemWaiter waiter;
  SystemClock clock;
  TimestampMicros until = clock.Now() + 20'000;
  EXPECT_EQ(waiter.WaitUntil(until), Waiter::Reason::kDue);
  EXPECT_GE(clock.Now(), until);
  EXPECT_EQ(waiter.WaitUntil(0), Waiter::Reason::kDue);
}

TEST(SystemWaiter, AWakeIsNotLostAndSeveralCountAsOne) {
  SystemWaiter waiter;
  waiter.Wake();
  waiter.Wake();
  EXPECT_EQ(waiter.WaitUntil(kForever), Waiter::Reason::kWoken);
  EXPECT_EQ(waiter.WaitUntil(0), Waiter::Reason::kDue);
}

TEST(SystemWaiter, ComesBackWhereItIsToShowUp) {
  SystemWaiter waiter(20'000);
  const auto began = std::chrono::steady_clock::now();
  EXPECT_EQ(waiter.WaitUntil(kForever), Waiter::Reason::kDue);
  EXPECT_GE(std::chrono::steady_clock::now() - began, std::chrono::milliseconds(20));
  waiter.Wake();
  EXPECT_EQ(waiter.WaitUntil(kForever), Waiter::Reason::kWoken);
  EXPECT_EQ(waiter.WaitUntil(0), Waiter::Reason::kDue);
}

TEST(SystemWaiter, IsWokenByAnotherThread) {
  SystemWaiter waiter;
  std::jthread waker([&] { waiter.Wake(); });
  EXPECT_EQ(waiter.WaitUntil(kForever), Waiter::Reason::kWoken);
}

}  // namespace
}  // namespace calve::schedule
