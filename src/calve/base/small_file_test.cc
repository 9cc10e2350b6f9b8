#include "calve/base/small_file.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace calve {
namespace {

TEST(ReadSmallFile, WithoutTheLineBreaksAtItsEnd) {
  const auto path = std::filesystem::temp_directory_path() / ("calve-small-file-" + std::to_string(getpid()));
  for (const char* text :
       {" s3cret\n with two lines ", " s3cret\n with two lines \n", " s3cret\n with two lines \r\n\n"}) {
    std::ofstream(path, std::ios::binary) << text;
    EXPECT_EQ(ReadSmallFile(path, "the secret").ValueOr(""), " s3cret\n with two lines ");
  }
  std::ofstream(path, std::ios::trunc).close();
  EXPECT_EQ(ReadSmallFile(path, "the secret").ValueOr("x"), "");
  std::filesystem::remove(path);
  const Status gone = ReadSmallFile(path, "the secret").status();
  EXPECT_EQ(KindOf(gone), ErrorKind::kConfig);
  EXPECT_EQ(MessageOf(gone), "the secret " + path.string() + " cannot be read");
  EXPECT_FALSE(RemedyOf(gone).empty());
}

}  // namespace
}  // namespace calve
