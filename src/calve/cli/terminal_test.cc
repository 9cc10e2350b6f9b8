#include "calve/cli/terminal.h"

#include <gtest/gtest.h>

#include "calve/cli/columns.h"
#include "calve/cli/exit_code.h"

namespace calve::cli {
namespace {

TEST(Human, NumbersReadWell) {
  EXPECT_EQ(HumanCount(0), "0");
  EXPECT_EQ(HumanCount(999), "999");
  EXPECT_EQ(HumanCount(3820509), "3,820,509");
  EXPECT_EQ(HumanCount(-1000), "-1,000");
  EXPECT_EQ(HumanCount(-100), "-100");
  EXPECT_EQ(HumanBytes(999), "999 B");
  EXPECT_EQ(HumanBytes(41'234'567), "41.2 MB");
  EXPECT_EQ(HumanBytes(999'999'999), "1.0 GB");
  EXPECT_EQ(HumanRate(3'470'000), "3.47 M");
  EXPECT_EQ(HumanSeconds(0.25), "250 ms");
  EXPECT_EQ(HumanSeconds(59.94), "59.9 s");
  EXPECT_EQ(HumanSeconds(61), "1 min 01 s");
  EXPECT_EQ(HumanSeconds(7500), "2 h 05 min");
}

// As wide as it is, without what matters less where there is too little room.
TEST(ProgressLine, FitsTheWidth) {
  const Progress progress{"reading", 1'000'000, 4'000'000, 50'000'000, 12'000'000, 0.5};
  const std::pair<size_t, const char*> golden[] = {
      {140,
       "reading   25% [#######.......................] 1,000,000 rows  2.00 M rows/s  50.0 MB read  12.0 MB written  "
       "1.5 "
       "s left"},
      {80, "reading   25% [#####.................] 1,000,000 rows  2.00 M rows/s  1.5 s left"},
      {60, "reading   25% [####..............] 2.00 M rows/s  1.5 s left"},
      {40, "reading   25% [###..........] 1.5 s left"},
      {24, "reading   25% 1.5 s left"},
      {10, "reading  …"},
  };
  for (const auto& [width, line] : golden) {
    EXPECT_EQ(ProgressLine(progress, width), line) << width;
    EXPECT_LE(DisplayWidth(ProgressLine(progress, width)), width);
  }
  for (size_t width = 0; width < 200; ++width) {
    EXPECT_LE(DisplayWidth(ProgressLine(progress, width)), width);
    EXPECT_LE(DisplayWidth(ProgressLine("取引_table_of_a_long_name", progress, width)), width) << width;
  }
}

TEST(ProgressLine, WithoutAnEstimateHasNoPercentage) {
  const Progress progress{"reading", 10, 0, 1, 1, 1};
  EXPECT_EQ(ProgressLine(progress, 100), "reading    10 rows  10 rows/s  1 B read  1 B written");
  EXPECT_EQ(ProgressLine(progress, 30), "reading    10 rows  10 rows/s");
  EXPECT_EQ(ProgressLine(Progress{"planning"}, 100), "planning");
}

TEST(ProgressLine, CountsOtherThingsThanRows) {
  Progress progress{"deleting", 5, 20};
  progress.unit = "files";
  EXPECT_EQ(ProgressLine(progress, 60), "deleting  25% [######...................] 5 files  0 files/s");
  progress.seconds = 1;
  EXPECT_EQ(ProgressLine("a", progress, 70), "a                       deleting  25% [##......] 5 files/s  3.0 s left");
}

TEST(ExitCode, FollowsTheKind) {
  StopToken stop;
  EXPECT_EQ(ExitCodeOf(Status::OK(), stop), 0);
  EXPECT_EQ(ExitCodeOf(MakeError(ErrorKind::kRetry, "x"), stop), 1);
  EXPECT_EQ(ExitCodeOf(MakeError(ErrorKind::kConfig, "x"), stop), 2);
  EXPECT_EQ(ExitCodeOf(MakeError(ErrorKind::kNotFound, "x"), stop), 2);
  EXPECT_EQ(ExitCodeOf(Status::IOError("x"), stop), 1);
  stop.RequestStop(15);
  EXPECT_EQ(ExitCodeOf(stop.Check(), stop), 143);
}

}  // namespace
}  // namespace calve::cli
