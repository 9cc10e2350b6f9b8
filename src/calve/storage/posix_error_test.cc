#include "calve/storage/posix_error.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>

namespace calve::storage {
namespace {

TEST(PosixError, NamesTheLocationAndARemedyWhereTheOperatorCanHelp) {
  for (int errnum : {ENOSPC, EDQUOT, EROFS, EACCES, EPERM, ENOTDIR, ENAMETOOLONG, EMFILE, EFBIG}) {
    Status status = PosixError(errnum, "write", "/srv/cold/x");
    const bool no_space = errnum == ENOSPC || errnum == EDQUOT;
    EXPECT_EQ(KindOf(status), no_space ? ErrorKind::kFailed : ErrorKind::kConfig) << errnum;
    EXPECT_FALSE(RemedyOf(status).empty()) << errnum;
    EXPECT_THAT(MessageOf(status), ::testing::StartsWith("cannot write /srv/cold/x: "));
  }
  EXPECT_EQ(KindOf(PosixError(ENOENT, "read", "x")), ErrorKind::kNotFound);
  EXPECT_EQ(KindOf(PosixError(EEXIST, "create", "x")), ErrorKind::kAlreadyExists);
  EXPECT_EQ(KindOf(PosixError(ENFILE, "open", "x")), ErrorKind::kRetry);
  EXPECT_EQ(KindOf(PosixError(EIO, "read", "x")), ErrorKind::kFailed);
}

}  // namespace
}  // namespace calve::storage
