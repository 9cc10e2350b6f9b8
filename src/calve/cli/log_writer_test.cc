#include "calve/cli/log_writer.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <string>

namespace calve::cli {
namespace {

struct PipePair {
  PipePair() {
    EXPECT_EQ(pipe(ends), 0);
    std::signal(SIGPIPE, SIG_IGN);
  }
  ~PipePair() {
    for (const int end : ends) {
      if (end >= 0) close(end);
    }
  }
  std::string ReadAll() const {
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    std::string all(1 << 20, '\0');
    ssize_t got = 0;
    size_t size = 0;
    while ((got = read(ends[0], all.data() + size, all.size() - size)) > 0) size += static_cast<size_t>(got);
    all.resize(size);
    return all;
  }
  int ends[2] = {-1, -1};
};

double SecondsOf(auto work) {
  const auto began = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
}

TEST(LogWriter, AReaderThatHasStoppedCostsItsPatienceOnceAndThenNothing) {
  for (const bool blocking : {true, false}) {
    PipePair pipe;
    if (!blocking) fcntl(pipe.ends[1], F_SETFL, O_NONBLOCK);
    LogWriter writer(pipe.ends[1], /*patience_ms=*/100);
    const std::string line(1000, 'x');
    const double filling = SecondsOf([&] {
      for (int i = 0; i < 200; ++i) writer.Write(line + "\n");
    });
    EXPECT_GT(filling, 0.09);
    EXPECT_LT(filling, 1.0) << "it waits once, not for each line";
    EXPECT_EQ(writer.TakeLost(), 0) << "there is still no room to say so";
    const std::string read = pipe.ReadAll();
    EXPECT_GT(read.size(), 60'000u);
    const int64_t lost = writer.TakeLost();
    EXPECT_GT(lost, 100);
    EXPECT_LT(lost, 200);
    EXPECT_TRUE(writer.Write("again\n"));
    const std::string after = pipe.ReadAll();
    EXPECT_TRUE(after.ends_with("again\n")) << after;
    EXPECT_TRUE(after == "again\n" || after == "\nagain\n") << "a line that was cut is ended first";
    EXPECT_EQ(writer.TakeLost(), 0);
  }
}

TEST(LogWriter, NobodyAtTheOtherEndIsNoFailure) {
  PipePair pipe;
  close(pipe.ends[0]);
  pipe.ends[0] = -1;
  LogWriter writer(pipe.ends[1]);
  EXPECT_FALSE(writer.Write("x\n"));
  EXPECT_FALSE(writer.Write("x\n"));
  EXPECT_EQ(writer.TakeLost(), 0);
  EXPECT_FALSE(LogWriter(1023).Write("x\n"));
}

TEST(LogWriter, LongLinesArriveWhole) {
  PipePair pipe;
  LogWriter writer(pipe.ends[1]);
  const std::string line(50'000, 'y');
  EXPECT_TRUE(writer.Write(line));
  EXPECT_EQ(pipe.ReadAll(), line);
}

}  // namespace
}  // namespace calve::cli
