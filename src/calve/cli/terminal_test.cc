#include "calve/cli/terminal.h"

#include <gtest/gtest.h>

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

TEST(ProgressLine, TellsRowsRateBytesAndTimeLeft) {
  offload::Progress progress{"reading", 1'000'000, 4'000'000, 50'000'000, 12'000'000, 0.5};
  std::string line = ProgressLine(progress, 140);
  for (const char* part : {"25%", "1,000,000 rows", "2.00 M rows/s", "50.0 MB read", "12.0 MB written", "1.5 s left"}) {
    EXPECT_NE(line.find(part), std::string::npos) << part << " in " << line;
  }
  EXPECT_LE(line.size(), 140u);
  EXPECT_NE(line.find("[#######"), std::string::npos) << line;
  EXPECT_EQ(ProgressLine(progress, 60).find('['), std::string::npos);
}

TEST(ProgressLine, WithoutAnEstimateHasNoPercentage) {
  offload::Progress progress{"reading", 10, 0, 1, 1, 1};
  EXPECT_EQ(ProgressLine(progress, 100).find('%'), std::string::npos);
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
