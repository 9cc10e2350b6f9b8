#include "calve/maintain/orphans.h"

#include <gtest/gtest.h>

namespace calve::maintain {
namespace {

using storage::FileInfo;

constexpr int64_t kNow = 1'700'000'000'000;
constexpr int64_t kOrphansDay = 86'400'000;
const std::vector<std::string> kRoots = {"file:///w/t/data", "file:///w/t/metadata"};

FileInfo Old(const std::string& location) { return {location, 10, kNow - 30 * kOrphansDay}; }

std::vector<std::string> OrphansOf(const std::vector<FileInfo>& files, const std::vector<std::string>& referenced) {
  References references;
  for (const std::string& location : referenced) references.Add(location);
  std::vector<std::string> orphans;
  for (const FileInfo& file : FindOrphans(files, kRoots, references, {kNow, 3 * kOrphansDay}).orphans) {
    orphans.push_back(file.location);
  }
  return orphans;
}

TEST(PathKey, IsOneForAllSpellings) {
  const std::string key = PathKey("/w/t/data/a=b c/f.parquet");
  for (const char* same : {"file:///w/t/data/a=b c/f.parquet", "file:/w/t/data/a=b c/f.parquet",
                           "file://localhost/w/t/data/a=b c/f.parquet", "/w//t/./data/a=b c/f.parquet",
                           "file:///w/t/data/a%3Db%20c/f.parquet", "/w/t/data/a%3db%2520c/f.parquet"}) {
    EXPECT_EQ(PathKey(same), key) << same;
  }
  for (const char* other : {"/w/t/data/a=b c/g.parquet", "/w/t/data/f.parquet", "/w/t/data/a=b+c/f.parquet"}) {
    EXPECT_NE(PathKey(other), key) << other;
  }
  // What is no encoding stays.
  EXPECT_EQ(PathKey("/a/100%/%zz/%4"), "/a/100%/%zz/%4");
  EXPECT_EQ(PathKey("/"), "");
}

TEST(IsWithin, ComparesWholeFolders) {
  EXPECT_TRUE(IsWithin("file:///w/t/data", "/w/t"));
  EXPECT_TRUE(IsWithin("/w/t", "file:/w/t/"));
  EXPECT_FALSE(IsWithin("/w/trades", "/w/t"));
  EXPECT_FALSE(IsWithin("/w", "/w/t"));
}

TEST(FindOrphans, RemovesWhatIsOldAndReferredToByNothing) {
  const std::vector<FileInfo> files = {Old("file:///w/t/data/d=1/a.parquet"), Old("file:///w/t/data/d=1/b.parquet"),
                                       Old("file:///w/t/metadata/m.avro"), Old("file:///w/t/metadata/.calve-1.tmp"),
                                       Old("file:///w/t/metadata/00007-x.metadata.json")};
  EXPECT_EQ(OrphansOf(files, {"/w/t/data/d%3D1/a.parquet"}),
            (std::vector<std::string>{"file:///w/t/data/d=1/b.parquet", "file:///w/t/metadata/.calve-1.tmp",
                                      "file:///w/t/metadata/00007-x.metadata.json", "file:///w/t/metadata/m.avro"}));
}

TEST(FindOrphans, LeavesAloneWhatARunningCommitMayOwn) {
  const auto aged = [](const char* name, int64_t mtime) {
    return FileInfo{std::string("/w/t/data/") + name, 1, mtime};
  };
  const std::vector<FileInfo> files = {aged("limit", kNow - 3 * kOrphansDay), aged("old", kNow - 3 * kOrphansDay - 1),
                                       aged("new", kNow), aged("future", kNow + kOrphansDay), aged("unknown", 0)};
  EXPECT_EQ(OrphansOf(files, {}), (std::vector<std::string>{"/w/t/data/old"}));
  const OrphanPlan plan = FindOrphans(files, kRoots, {}, {kNow, 3 * kOrphansDay});
  EXPECT_EQ(plan.young, 3);
  EXPECT_EQ(plan.left_alone, 1);
  EXPECT_EQ(plan.listed, 5);
}

TEST(FindOrphans, LeavesAloneWhatOthersFindTheirWayBy) {
  std::vector<FileInfo> files;
  for (const char* name :
       {"metadata/version-hint.text", "metadata/v7.metadata.json", "metadata/v7.gz.metadata.json",
        "metadata/v7.metadata.json.gz", "metadata/.v7.metadata.json.crc", "data/.part.crc", "data/_SUCCESS",
        "data/_temporary/0/f.parquet", "data/.staging/f.parquet", "data/d=1/.hidden"}) {
    files.push_back(Old(std::string("/w/t/") + name));
  }
  EXPECT_EQ(OrphansOf(files, {}), std::vector<std::string>{});
  EXPECT_EQ(FindOrphans(files, kRoots, {}, {kNow, 0}).left_alone, 10);
  // A partition by a column "_day" is no hidden folder.
  EXPECT_EQ(OrphansOf({Old("/w/t/data/_day=1/f.parquet")}, {}).size(), 1u);
  // A hidden folder above the root hides nothing; a file elsewhere was not asked for.
  const std::vector<std::string> roots = {"/w/.t/data"};
  EXPECT_EQ(FindOrphans(std::vector{Old("/w/.t/data/f")}, roots, {}, {kNow, 0}).orphans.size(), 1u);
  EXPECT_EQ(FindOrphans(std::vector{Old("/w/.t/database/f")}, roots, {}, {kNow, 0}).orphans.size(), 0u);
}

TEST(FindOrphans, AFileThatIsNamedLikeOneThatIsReferredToIsInDoubt) {
  References references;
  references.Add("file:///mnt/moved/t/data/00000-6f1b.parquet");
  const std::vector<FileInfo> files = {Old("/w/t/data/00000-6f1b.parquet"), Old("/w/t/data/00001-6f1b.parquet")};
  const OrphanPlan plan = FindOrphans(files, kRoots, references, {kNow, 0});
  EXPECT_EQ(plan.in_doubt, 1);
  ASSERT_EQ(plan.orphans.size(), 1u);
  EXPECT_EQ(plan.orphans[0].location, "/w/t/data/00001-6f1b.parquet");
}

TEST(FindOrphans, RootsInOneAnotherListAFileOnce) {
  const std::vector<std::string> roots = {"/w/t", "/w/t/metadata"};
  const std::vector<FileInfo> files = {Old("/w/t/metadata/m.avro"), Old("/w/t/metadata/m.avro")};
  const OrphanPlan plan = FindOrphans(files, roots, {}, {kNow, 0});
  EXPECT_EQ(plan.orphans.size(), 1u);
  EXPECT_EQ(plan.listed, 1);
}

TEST(FindOrphans, FilesOfOpenPlansStayWhateverTheirAge) {
  const std::string open = "0b8f8a4e-57a5-4e2d-9f1a-3f2c1d0e9b8a", over = "1b8f8a4e-57a5-4e2d-9f1a-3f2c1d0e9b8a";
  OrphanRule rule{kNow, 3 * kOrphansDay, {open}};
  std::vector<FileInfo> files;
  for (const std::string& id : {open, over}) {
    files.push_back(Old("file:///w/t/data/" + id + "/ts_day=2024-01-01/00000-a.parquet"));
    files.push_back(Old("file:///w/t/calve-plans/" + id + ".slices.jsonl"));
    files.push_back(Old("file:///w/t/calve-plans/" + id + ".commit-7"));
  }
  files.push_back(Old("file:///w/t/data/x-" + open + ".parquet"));
  auto roots = kRoots;
  roots.push_back("file:///w/t/calve-plans");
  const OrphanPlan plan = FindOrphans(files, roots, References(), rule);
  EXPECT_EQ(plan.of_open_plans, 3);
  ASSERT_EQ(plan.orphans.size(), 4u);
  for (const FileInfo& file : plan.orphans) {
    EXPECT_TRUE(file.location.find(over) != std::string::npos || file.location.find("x-") != std::string::npos);
  }
}

}  // namespace
}  // namespace calve::maintain
