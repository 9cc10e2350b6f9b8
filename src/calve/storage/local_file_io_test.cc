#include "calve/storage/local_file_io.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <chrono>
#include <thread>

#include "calve/base/testing_temp_dir.h"
#include "calve/storage/testing_child_process.h"

namespace calve::storage {
namespace {

using ::testing::HasSubstr;

int CountFiles(const std::string& folder) { return static_cast<int>(LocalFileIO().List(folder).ValueOrDie().size()); }

TEST(LocalFileIO, OfProcessesThatRaceToWriteOneWins) {
  TempDir dir;
  auto content = [](int i) { return std::string(300'000, static_cast<char>('a' + i)); };
  for (int round = 0; round < 10; ++round) {
    std::string location = dir.path() + "/deep/folder/" + std::to_string(round);
    std::vector<int> codes = RunChildren(8, [&](int i) {
      LocalFileIO io;
      Status status = io.WriteNew(location, content(i));
      return status.ok() ? 1 : KindOf(status) == ErrorKind::kAlreadyExists ? 2 : 3;
    });
    ASSERT_EQ(std::count(codes.begin(), codes.end(), 1), 1);
    ASSERT_EQ(std::count(codes.begin(), codes.end(), 2), 7);
    int winner = static_cast<int>(std::find(codes.begin(), codes.end(), 1) - codes.begin());
    ASSERT_TRUE(LocalFileIO().Read(location).ValueOrDie() == content(winner));
  }
  EXPECT_EQ(CountFiles(dir.path()), 10);
}

// kill -9 at any instant leaves either nothing or the whole file, and a second writer is never blocked.
TEST(LocalFileIO, AKilledWriterLeavesNothingOrAllOfAFile) {
  TempDir dir;
  const std::string content(2'000'000, 'x');
  int whole = 0;
  for (int round = 0; round < 60; ++round) {
    std::string location = dir.path() + "/" + std::to_string(round);
    pid_t pid = StartChild([&] { return LocalFileIO().WriteNew(location, content).ok() ? 0 : 1; });
    std::this_thread::sleep_for(std::chrono::microseconds(100 * round));
    kill(pid, SIGKILL);
    WaitForChild(pid);
    LocalFileIO io;
    if (io.Exists(location).ValueOrDie()) {
      ++whole;
      ASSERT_TRUE(io.Read(location).ValueOrDie() == content) << round;
      EXPECT_EQ(KindOf(io.WriteNew(location, "y")), ErrorKind::kAlreadyExists);
    } else {
      EXPECT_TRUE(io.WriteNew(location, "y").ok());
    }
  }
  // What a killed writer may leave is hidden and marked as ours.
  for (const FileInfo& file : LocalFileIO().List(dir.path()).ValueOrDie()) {
    std::string name = file.location.substr(dir.path().size() + 1);
    EXPECT_TRUE(name.size() <= 3 || name.rfind(".calve-", 0) == 0) << name;
  }
  RecordProperty("whole", whole);
}

TEST(LocalFileIO, AnAbandonedOrAbortedStreamLeavesNothing) {
  TempDir dir;
  LocalFileIO io;
  std::string location = dir.path() + "/x/data.parquet";
  {
    auto out = io.OpenOutput(location).ValueOrDie();
    ASSERT_TRUE(out->Write("half", 4).ok());
  }
  EXPECT_FALSE(*io.Exists(location));
  auto out = io.OpenOutput(location).ValueOrDie();
  ASSERT_TRUE(out->Write("half", 4).ok());
  ASSERT_TRUE(out->Abort().ok());
  EXPECT_FALSE(*io.Exists(location));
  EXPECT_TRUE(out->closed());
  EXPECT_FALSE(out->Write("more", 4).ok());
  EXPECT_TRUE(out->Close().ok());
  EXPECT_EQ(CountFiles(dir.path()), 0);
}

TEST(LocalFileIO, AFileWhereAFolderIsNeededIsAConfigError) {
  TempDir dir;
  LocalFileIO io;
  ASSERT_TRUE(io.WriteNew(dir.path() + "/file", "x").ok());
  for (const Status& status :
       {io.WriteNew(dir.path() + "/file/below/v1", "y"), io.Replace(dir.path() + "/file/below", "y"),
        io.OpenOutput(dir.path() + "/file/below").status()}) {
    EXPECT_EQ(KindOf(status), ErrorKind::kConfig) << status.ToString();
    EXPECT_FALSE(RemedyOf(status).empty());
  }
}

TEST(LocalFileIO, MissingRightsAreAConfigErrorWithARemedy) {
  TempDir dir;
  ASSERT_EQ(chmod(dir.path().c_str(), 0555), 0);
  int code = WaitForChild(StartChild([&] {
    if (geteuid() == 0 && setuid(65534) != 0) return 77;
    LocalFileIO io;
    for (const Status& status : {io.WriteNew(dir.path() + "/v1", "y"), io.Replace(dir.path() + "/hint", "y"),
                                 io.OpenOutput(dir.path() + "/a/b").status()}) {
      if (KindOf(status) != ErrorKind::kConfig || RemedyOf(status).empty()) return 1;
      if (MessageOf(status).find(dir.path()) == std::string::npos) return 2;
    }
    return 0;
  }));
  chmod(dir.path().c_str(), 0755);
  if (code == 77) GTEST_SKIP() << "cannot become another user here";
  EXPECT_EQ(code, 0);
}

// On a real file system of 256 kB in a name space of its own.
TEST(LocalFileIO, AFullDiskIsAnErrorWithARemedyAndLeavesNothing) {
  TempDir dir;
  int code = WaitForChild(StartChild([&] {
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        mount("tmpfs", dir.path().c_str(), "tmpfs", 0, "size=256k") != 0) {
      return 77;
    }
    LocalFileIO io;
    const std::string large(1 << 20, 'x');
    if (!io.WriteNew(dir.path() + "/kept", "kept").ok()) return 1;
    for (const Status& status : {io.WriteNew(dir.path() + "/v1", large), io.Replace(dir.path() + "/kept", large)}) {
      if (KindOf(status) != ErrorKind::kFailed || RemedyOf(status).find("space") == std::string::npos) return 2;
    }
    auto out = io.OpenOutput(dir.path() + "/data").ValueOrDie();
    if (KindOf(out->Write(large)) != ErrorKind::kFailed) return 3;
    out.reset();
    if (CountFiles(dir.path()) != 1 || io.Read(dir.path() + "/kept").ValueOrDie() != "kept") return 4;
    if (mount("tmpfs", dir.path().c_str(), "tmpfs", MS_REMOUNT | MS_RDONLY, "size=256k") != 0) return 77;
    Status status = io.WriteNew(dir.path() + "/v2", "x");
    if (KindOf(status) != ErrorKind::kConfig || RemedyOf(status).find("writable") == std::string::npos) return 5;
    return 0;
  }));
  if (code == 77) GTEST_SKIP() << "mounting is not allowed here";
  EXPECT_EQ(code, 0);
}

TEST(LocalFileIO, AFileSizeLimitRemovesThePartialFile) {
  TempDir dir;
  int code = WaitForChild(StartChild([&] {
    signal(SIGXFSZ, SIG_IGN);
    rlimit limit{100'000, 100'000};
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0) return 77;
    LocalFileIO io;
    auto out = io.OpenOutput(dir.path() + "/data").ValueOrDie();
    if (KindOf(out->Write(std::string(200'000, 'x'))) != ErrorKind::kConfig) return 1;
    out.reset();
    if (KindOf(io.WriteNew(dir.path() + "/v1", std::string(200'000, 'x'))) != ErrorKind::kConfig) return 2;
    return CountFiles(dir.path()) == 0 ? 0 : 3;
  }));
  EXPECT_EQ(code, 0);
}

TEST(LocalFileIO, LinkedFoldersAreNotWalkedIntoByListAndAreFoldersToListFolders) {
  TempDir dir;
  LocalFileIO io;
  ASSERT_TRUE(io.WriteNew(dir.path() + "/a/file", "x").ok());
  ASSERT_EQ(symlink("..", (dir.path() + "/a/up").c_str()), 0);
  ASSERT_EQ(symlink("file", (dir.path() + "/a/linked").c_str()), 0);
  ASSERT_EQ(symlink("nowhere", (dir.path() + "/a/dangling").c_str()), 0);
  EXPECT_EQ(CountFiles(dir.path()), 2);
  EXPECT_THAT(io.ListFolders(dir.path() + "/a").ValueOrDie(), ::testing::ElementsAre("up"));
}

TEST(LocalFileIO, RefusesOtherSchemesAndNulBytes) {
  LocalFileIO io;
  Status remote = io.Read("s3://bucket/key").status();
  EXPECT_EQ(KindOf(remote), ErrorKind::kUnsupported);
  EXPECT_THAT(MessageOf(remote), HasSubstr("s3://bucket/key"));
  EXPECT_EQ(KindOf(io.WriteNew("file://otherhost/a", "x")), ErrorKind::kUnsupported);
  EXPECT_EQ(KindOf(io.WriteNew(std::string("/tmp/a\0b", 8), "x")), ErrorKind::kConfig);
}

}  // namespace
}  // namespace calve::storage
