#include "calve/base/text.h"

#include <gtest/gtest.h>

namespace calve {
namespace {

TEST(TextTest, LowerChangesAsciiAlone) {
  EXPECT_EQ(Lower("Content-MD5 [Az@{"), "content-md5 [az@{");
  EXPECT_EQ(Lower("\xC3\x84"), "\xC3\x84");
  EXPECT_EQ(Lower(""), "");
}

TEST(TextTest, TrimmedTakesBlanksFromBothEndsAlone) {
  EXPECT_EQ(Trimmed(" \t a b\r\n"), "a b");
  EXPECT_EQ(Trimmed("a"), "a");
  EXPECT_EQ(Trimmed(" \n "), "");
  EXPECT_EQ(Trimmed(""), "");
}

}  // namespace
}  // namespace calve
