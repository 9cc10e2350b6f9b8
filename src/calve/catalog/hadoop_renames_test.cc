// calve beside Java's HadoopTableOperations, which looks whether a version is there and then renames over it.
#include "calve/catalog/hadoop_renames.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <chrono>
#include <filesystem>
#include <thread>

#include "calve/base/random.h"
#include "calve/catalog/hadoop_catalog.h"
#include "calve/catalog/metadata_file.h"
#include "calve/catalog/testing_catalog_conformance.h"
#include "calve/catalog/testing_interloper.h"

namespace calve::catalog {
namespace {

using std::chrono::milliseconds;
using Steady = std::chrono::steady_clock;
using ::testing::ElementsAre;

// One commit of Java's, step by step, on top of what is there when it begins.
class JavaCommit {
 public:
  // `names_tries`: its manifest list is called as Java calls it.
  JavaCommit(Catalog& catalog, const TableIdent& ident, bool names_tries = false)
      : base_(catalog.LoadTable(ident).ValueOrDie()) {
    TestAppend append = AppendOn(base_.metadata);
    if (names_tries) {
      list_ = ManifestList(append.snapshot_id, 1);
      std::get<iceberg::AddSnapshot>(append.updates[0]).snapshot.manifest_list = list_;
    }
    id_ = append.snapshot_id;
    auto next = iceberg::ApplyUpdates(base_.metadata, append.updates, SystemClock().Now() / 1000).ValueOrDie();
    next.metadata_log.push_back({base_.metadata.last_updated_ms, base_.metadata_location});
    folder_ = storage::LocalPath(base_.metadata_location);
    folder_ = folder_.substr(0, folder_.rfind('/'));
    temporary_ = fmt::format("{}/{}.metadata.json", folder_, RandomUuid());
    EXPECT_TRUE(storage::LocalFileIO()
                    .WriteNew(temporary_, EncodeMetadata(next, MetadataCompression::kNone).ValueOrDie())
                    .ok());
    target_ = fmt::format("{}/v{}.metadata.json", folder_, *HadoopVersionOf(base_.metadata_location) + 1);
  }
  int64_t id() const { return id_; }
  const std::string& temporary() const { return temporary_; }
  bool SeesItsTarget() const { return std::filesystem::exists(target_); }
  void Rename() const { std::filesystem::rename(temporary_, target_); }
  void GiveUp() const { std::filesystem::remove(temporary_); }
  void TryAgain() const { ManifestList(id_, 2); }
  void CleanUp() const { EXPECT_TRUE(storage::LocalFileIO().Delete(list_).ok()); }
  void MakeOld() const {
    timespec times[2] = {{0, UTIME_OMIT}, {time(nullptr) - kRenameMaxMs / 1000 - 1, 0}};
    EXPECT_EQ(utimensat(AT_FDCWD, temporary_.c_str(), times, 0), 0);
  }

 private:
  std::string ManifestList(int64_t id, int attempt) const {
    std::string location =
        fmt::format("{}/metadata/snap-{}-{}-{}.avro", base_.metadata.location, id, attempt, RandomUuid());
    EXPECT_TRUE(storage::LocalFileIO().WriteNew(location, "x").ok());
    return location;
  }

  LoadedTable base_;
  int64_t id_ = 0;
  std::string folder_, temporary_, target_, list_;
};

class HadoopBesideJava : public ::testing::Test {
 protected:
  void SetUp() override { catalog_->CreateTable(ident_, TradesRequest()).ValueOrDie(); }
  std::unique_ptr<Catalog> Open(storage::FileIO& file_io) {
    return OpenCatalog({"hadoop", "file://" + dir_.path(), ""}, file_io, clock_).ValueOrDie();
  }
  std::vector<int64_t> Chain() { return SnapshotChain(catalog_->LoadTable(ident_).ValueOrDie().metadata); }
  // As CommitWindow does: after an unknown outcome the snapshot is looked for, and tried again where it is not in.
  int64_t AppendUntilIn(Catalog& catalog) {
    for (;;) {
      LoadedTable base = catalog.LoadTable(ident_).ValueOrDie();
      TestAppend append = AppendOn(base.metadata);
      said_ = catalog.CommitTable(ident_, append.requirements, append.updates).status();
      if (said_.ok()) return append.snapshot_id;
      EXPECT_THAT(KindOf(said_), ::testing::AnyOf(ErrorKind::kUnknownOutcome, ErrorKind::kConflict))
          << said_.ToString();
      kinds_.push_back(KindOf(said_));
    }
  }

  TempDir dir_;
  storage::LocalFileIO local_;
  Interloper between_{local_};
  SystemClock clock_;
  std::unique_ptr<Catalog> catalog_ = Open(local_), calve_ = Open(between_);
  const TableIdent ident_{{"cold"}, "trades"};
  Status said_;
  std::vector<ErrorKind> kinds_;
};

// Java looks, calve publishes, Java renames: calve's version is gone. It must not say that it is in.
TEST_F(HadoopBesideJava, AVersionThatIsReplacedAtOnceIsNotTakenForCommitted) {
  std::optional<JavaCommit> java;
  between_.before_version = [&] {
    java.emplace(*catalog_, ident_);
    EXPECT_FALSE(java->SeesItsTarget());
  };
  between_.after_version = [&] { java->Rename(); };
  const int64_t ours = AppendUntilIn(*calve_);
  EXPECT_THAT(kinds_, ElementsAre(ErrorKind::kUnknownOutcome));
  EXPECT_THAT(Chain(), ElementsAre(ours, java->id())) << "both are in";
}

// The same with a Java that takes its time: calve waits for it before it answers.
TEST_F(HadoopBesideJava, ARenameThatIsOnItsWayIsWaitedFor) {
  std::optional<JavaCommit> java;
  std::thread late;
  between_.before_version = [&] { java.emplace(*catalog_, ident_); };
  between_.after_version = [&] {
    late = std::thread([&] {
      std::this_thread::sleep_for(milliseconds(150));
      java->Rename();
    });
  };
  const int64_t ours = AppendUntilIn(*calve_);
  late.join();
  EXPECT_THAT(kinds_, ElementsAre(ErrorKind::kUnknownOutcome));
  EXPECT_THAT(Chain(), ElementsAre(ours, java->id()));
}

TEST_F(HadoopBesideJava, OneThatGivesUpCostsNoMoreThanTheWait) {
  std::optional<JavaCommit> java;
  std::thread late;
  between_.before_version = [&] { java.emplace(*catalog_, ident_); };
  between_.after_version = [&] {
    EXPECT_TRUE(java->SeesItsTarget());
    late = std::thread([&] {
      std::this_thread::sleep_for(milliseconds(50));
      java->GiveUp();
    });
  };
  const int64_t ours = AppendUntilIn(*calve_);
  late.join();
  EXPECT_TRUE(kinds_.empty());
  EXPECT_THAT(Chain(), ElementsAre(ours));
}

// Nobody builds upon a version that may still be replaced: that would take Java's commit away.
TEST_F(HadoopBesideJava, NothingIsBuiltUponAVersionThatMayBeReplaced) {
  JavaCommit java(*catalog_, ident_);
  EXPECT_FALSE(java.SeesItsTarget());
  // Another writer's version, of one that does not wait.
  JavaCommit other(*catalog_, ident_);
  other.Rename();
  ASSERT_THAT(Chain(), ElementsAre(other.id()));
  std::thread late([&] {
    std::this_thread::sleep_for(milliseconds(150));
    java.Rename();
  });
  const int64_t ours = AppendUntilIn(*calve_);
  late.join();
  EXPECT_THAT(Chain(), ElementsAre(ours, java.id())) << "of the two the one that came last is the table's";
}

TEST_F(HadoopBesideJava, CalvesDoNotBuildUponEachOthersUnsettledVersions) {
  std::optional<JavaCommit> java;
  std::thread late;
  int64_t second = 0;
  between_.before_version = [&] { java.emplace(*catalog_, ident_); };
  between_.after_version = [&] {
    late = std::thread([&] {
      std::this_thread::sleep_for(milliseconds(150));
      java->Rename();
    });
    auto id = AppendRetrying(*catalog_, ident_);  // another calve, while the first still waits
    EXPECT_TRUE(id.ok()) << id.status().ToString();
    second = id.ValueOr(0);
  };
  const int64_t first = AppendUntilIn(*calve_);
  late.join();
  EXPECT_THAT(Chain(), ElementsAre(first, second, java->id()));
}

TEST_F(HadoopBesideJava, WhatAProcessThatDiedHasLeftIsNotWaitedFor) {
  JavaCommit java(*catalog_, ident_);
  java.MakeOld();
  auto began = Steady::now();
  AppendUntilIn(*calve_);
  EXPECT_LT(Steady::now() - began, std::chrono::seconds(5));
  EXPECT_TRUE(kinds_.empty());
  EXPECT_TRUE(std::filesystem::exists(java.temporary())) << "it is another's";
}

// Java leaves its file behind where it lost a race. Its next try, or the end of it, tells that it will not come.
TEST_F(HadoopBesideJava, WhatJavaHasGivenUpIsNotWaitedFor) {
  for (bool tries_again : {true, false}) {
    JavaCommit lost(*catalog_, ident_, /*names_tries=*/true), winner(*catalog_, ident_);
    winner.Rename();
    EXPECT_TRUE(lost.SeesItsTarget());
    std::thread late([&] {
      std::this_thread::sleep_for(milliseconds(100));
      tries_again ? lost.TryAgain() : lost.CleanUp();
    });
    auto began = Steady::now();
    const int64_t first = AppendUntilIn(*calve_);
    const auto took = Steady::now() - began;
    late.join();
    EXPECT_GT(took, milliseconds(90)) << "it might have been on its way";
    EXPECT_LT(took, milliseconds(kRenameMaxMs / 2));
    EXPECT_EQ(Chain()[0], first);
    EXPECT_EQ(Chain()[1], winner.id());
  }
}

TEST_F(HadoopBesideJava, AFileForAnotherVersionIsNotWaitedFor) {
  JavaCommit lost(*catalog_, ident_);
  JavaCommit first(*catalog_, ident_), second(*catalog_, ident_);
  first.Rename();
  JavaCommit(*catalog_, ident_).Rename();
  auto began = Steady::now();
  AppendUntilIn(*calve_);  // v4 upon v3; `lost` and `second` would be v2
  EXPECT_LT(Steady::now() - began, milliseconds(kRenameMaxMs / 2));
  EXPECT_EQ(Chain().size(), 3u);
}

// Only Java's own form of a name is waited for.
TEST_F(HadoopBesideJava, OtherFilesAreNotWaitedFor) {
  const std::string folder = dir_.path() + "/cold/trades/metadata/";
  for (const char* name :
       {"00001-6f0e8a4e-3c5e-4d8e-9a52-0f7b3f5c1d2e.metadata.json",
        ".6f0e8a4e-3c5e-4d8e-9a52-0f7b3f5c1d2e.metadata.json.crc", "6f0e8a4e-3c5e-4d8e-9a52-0f7b3f5c1d2e-m0.avro",
        "snap-1-1-6f0e8a4e-3c5e-4d8e-9a52-0f7b3f5c1d2e.avro", "6f0e8a4e-3c5e-4d8e-9a52-0f7b3f5c1d2e.metadata.json.tmp",
        "6f0e8a4eX3c5e-4d8e-9a52-0f7b3f5c1d2e.metadata.json", "v9x.metadata.json",
        "dropped-v1-6f0e8a4e-3c5e-4d8e-9a52-0f7b3f5c1d2e.json"}) {
    ASSERT_TRUE(local_.WriteNew(folder + name, "x").ok());
  }
  HadoopVersions versions(local_, "file://" + dir_.path() + "/cold/trades");
  const int64_t targets[] = {1};
  EXPECT_FALSE(AwaitRenames(local_, clock_, versions, targets).ValueOrDie());
  for (const char* name : {"6f0e8a4e-3c5e-4d8e-9a52-0f7b3f5c1d2e.metadata.json",
                           "6F0E8A4E-3C5E-4D8E-9A52-0F7B3F5C1D2E.gz.metadata.json"}) {
    ASSERT_TRUE(local_.WriteNew(folder + name, "x").ok());
    std::thread late([&] {
      std::this_thread::sleep_for(milliseconds(30));
      EXPECT_TRUE(local_.Delete(folder + name).ok());
    });
    EXPECT_TRUE(AwaitRenames(local_, clock_, versions, targets).ValueOrDie());
    late.join();
  }
}

}  // namespace
}  // namespace calve::catalog
