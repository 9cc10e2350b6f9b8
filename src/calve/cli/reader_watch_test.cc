#include "calve/cli/reader_watch.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <csignal>

namespace calve::cli {
namespace {

class ReaderWatchTest : public ::testing::Test {
 protected:
  ReaderWatchTest() {
    std::array<int, 2> ends{};
    EXPECT_EQ(pipe2(ends.data(), O_CLOEXEC), 0);
    reader_ = UniqueFd(ends[0]), writer_ = UniqueFd(ends[1]);
  }
  bool StopsWithin(std::chrono::milliseconds time) const {
    const auto until = std::chrono::steady_clock::now() + time;
    while (!stop_.stopped() && std::chrono::steady_clock::now() < until) {
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    return stop_.stopped();
  }

  UniqueFd reader_, writer_;
  StopToken stop_;
};

TEST_F(ReaderWatchTest, AReaderThatIsThereIsNoReason) {
  ReaderWatch watch(stop_, writer_.get());
  EXPECT_FALSE(StopsWithin(std::chrono::milliseconds(50)));
}

TEST_F(ReaderWatchTest, AReaderThatGoes) {
  ReaderWatch watch(stop_, writer_.get());
  reader_.Close();
  EXPECT_TRUE(StopsWithin(std::chrono::seconds(30)));
  EXPECT_EQ(stop_.signal(), SIGPIPE);
}

TEST_F(ReaderWatchTest, OneThatWasGoneBefore) {
  reader_.Close();
  ReaderWatch watch(stop_, writer_.get());
  EXPECT_TRUE(StopsWithin(std::chrono::seconds(30)));
}

TEST_F(ReaderWatchTest, AFileHasNoReader) {
  const UniqueFd file(open("/dev/null", O_WRONLY | O_CLOEXEC));
  ReaderWatch watch(stop_, file.get());
  EXPECT_FALSE(StopsWithin(std::chrono::milliseconds(50)));
}

}  // namespace
}  // namespace calve::cli
