#include "calve/base/seconds_sum.h"

#include <gtest/gtest.h>

#include <stdexcept>
#include <thread>
#include <vector>

namespace calve {
namespace {

void Sleep() { std::this_thread::sleep_for(std::chrono::milliseconds(10)); }

TEST(SecondsSum, AddsUpCallsOfAllThreads) {
  SecondsSum sum;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) threads.emplace_back([&] { sum.Time(Sleep); });
  }
  EXPECT_GE(sum.seconds(), 0.04);
  sum.Add(2.5);
  EXPECT_GE(sum.seconds(), 2.54);
}

TEST(SecondsSum, AlsoOfCallsThatThrowAndOfThoseThatReturn) {
  SecondsSum sum;
  const auto fails = []() -> int {
    Sleep();
    throw std::runtime_error("no");
  };
  EXPECT_THROW(sum.Time(fails), std::runtime_error);
  EXPECT_GE(sum.seconds(), 0.01);
  EXPECT_EQ(sum.Time([] { return 7; }), 7);
}

}  // namespace
}  // namespace calve
