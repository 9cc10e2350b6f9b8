#include "calve/storage/fault_injection.h"

#include <gtest/gtest.h>

#include "calve/base/testing_temp_dir.h"
#include "calve/storage/local_file_io.h"
#include "calve/storage/testing_child_process.h"

namespace calve::storage {
namespace {

class FaultInjection : public ::testing::Test {
 protected:
  std::string At(const std::string& name) const { return dir_.path() + "/" + name; }
  bool There(const std::string& name) { return local_.Exists(At(name)).ValueOrDie(); }

  TempDir dir_;
  LocalFileIO local_;
  FaultInjectingFileIO io_{local_};
};

TEST_F(FaultInjection, FailsBeforeTheEffect) {
  io_.Inject({.point = FaultPoint::kWriteNew});
  EXPECT_EQ(KindOf(io_.WriteNew(At("a"), "x")), ErrorKind::kRetry);
  EXPECT_FALSE(There("a"));
  EXPECT_TRUE(io_.WriteNew(At("a"), "x").ok());
  EXPECT_EQ(io_.Count(FaultPoint::kWriteNew), 2);
  EXPECT_EQ(io_.HitCount(), 1);
}

TEST_F(FaultInjection, LosesTheAnswerAfterTheEffect) {
  io_.Inject({.point = FaultPoint::kWriteNew, .action = FaultAction::kFailAfter});
  EXPECT_EQ(KindOf(io_.WriteNew(At("a"), "x")), ErrorKind::kUnknownOutcome);
  EXPECT_TRUE(There("a"));
}

TEST_F(FaultInjection, CountsOnlyMatchingCalls) {
  io_.Inject({.point = FaultPoint::kReplace,
              .location_part = "hint",
              .skip = 1,
              .times = 2,
              .status = MakeError(ErrorKind::kConfig, "disk full")});
  EXPECT_TRUE(io_.Replace(At("other"), "x").ok());
  EXPECT_TRUE(io_.Replace(At("hint"), "1").ok());
  EXPECT_EQ(KindOf(io_.Replace(At("hint"), "2")), ErrorKind::kConfig);
  EXPECT_TRUE(io_.Replace(At("other"), "x").ok());
  EXPECT_EQ(KindOf(io_.Replace(At("hint"), "3")), ErrorKind::kConfig);
  EXPECT_TRUE(io_.Replace(At("hint"), "4").ok());
}

TEST_F(FaultInjection, HitsStreamsAtWriteAndClose) {
  io_.Inject({.point = FaultPoint::kOutputWrite, .skip = 1});
  io_.Inject({.point = FaultPoint::kOutputClose, .action = FaultAction::kFailAfter});
  auto out = io_.OpenOutput(At("a")).ValueOrDie();
  EXPECT_TRUE(out->Write("x", 1).ok());
  EXPECT_FALSE(out->Write("y", 1).ok());
  EXPECT_EQ(KindOf(out->Close()), ErrorKind::kUnknownOutcome);
  EXPECT_EQ(local_.Read(At("a")).ValueOrDie(), "x");
}

TEST_F(FaultInjection, DiesBeforeOrAfterTheEffect) {
  for (FaultAction action : {FaultAction::kDieBefore, FaultAction::kDieAfter}) {
    std::string name = action == FaultAction::kDieAfter ? "after" : "before";
    pid_t pid = StartChild([&] {
      io_.Inject({.point = std::nullopt, .action = action, .skip = 1});
      (void)io_.Exists(At(name));
      (void)io_.WriteNew(At(name), "x");
      return 0;
    });
    EXPECT_EQ(WaitForChild(pid), kDiedByFault);
    EXPECT_EQ(There(name), action == FaultAction::kDieAfter);
  }
}

}  // namespace
}  // namespace calve::storage
