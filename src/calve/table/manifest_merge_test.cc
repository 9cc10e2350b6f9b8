#include "calve/table/manifest_merge.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <random>

namespace calve::table {
namespace {

using iceberg::ManifestFile;

ManifestFile Manifest(const std::string& path, int64_t length, int spec_id = 0) {
  ManifestFile manifest;
  manifest.manifest_path = path;
  manifest.manifest_length = length;
  manifest.partition_spec_id = spec_id;
  return manifest;
}

std::vector<std::vector<std::string>> Plan(const std::vector<ManifestFile>& manifests, const MergeOptions& options) {
  std::vector<std::vector<std::string>> names;
  for (const MergeBin& bin : PlanMerge(manifests, options)) {
    names.emplace_back();
    for (const ManifestFile& manifest : bin) names.back().push_back(manifest.manifest_path);
  }
  return names;
}

using Names = std::vector<std::vector<std::string>>;

TEST(PlanMerge, NothingBelowTheMinimumCount) {
  EXPECT_EQ(Plan({Manifest("new", 1), Manifest("b", 1), Manifest("c", 1)}, {true, 4, 100}),
            (Names{{"new"}, {"b"}, {"c"}}));
}

TEST(PlanMerge, EverythingAtTheMinimumCount) {
  EXPECT_EQ(Plan({Manifest("new", 1), Manifest("b", 1), Manifest("c", 1)}, {true, 3, 100}), (Names{{"new", "b", "c"}}));
}

TEST(PlanMerge, BinsFillFromTheOldestAndOlderOnesMergeAtTwo) {
  EXPECT_EQ(Plan({Manifest("new", 40), Manifest("b", 40), Manifest("c", 40), Manifest("d", 40), Manifest("e", 40)},
                 {true, 100, 80}),
            (Names{{"new"}, {"b", "c"}, {"d", "e"}}));
}

TEST(PlanMerge, AManifestBeyondTheTargetStandsAlone) {
  EXPECT_EQ(Plan({Manifest("new", 10), Manifest("b", 10), Manifest("big", 500), Manifest("d", 10)}, {true, 2, 100}),
            (Names{{"new", "b"}, {"big"}, {"d"}}));
}

TEST(PlanMerge, OnlyManifestsOfOneSpec) {
  EXPECT_EQ(
      Plan({Manifest("new", 1, 1), Manifest("b", 1, 0), Manifest("c", 1, 1), Manifest("d", 1, 0)}, {true, 3, 100}),
      (Names{{"new"}, {"c"}, {"b", "d"}}));
}

TEST(PlanMerge, NothingWhereItIsOff) {
  EXPECT_EQ(Plan({Manifest("new", 1), Manifest("b", 1)}, {false, 1, 100}), (Names{{"new"}, {"b"}}));
  EXPECT_EQ(Plan({}, {true, 1, 100}), Names{});
}

TEST(PlanMerge, EachManifestOnceInOrderWithinTheTarget) {
  std::mt19937 random(7);
  for (int round = 0; round < 500; ++round) {
    std::vector<ManifestFile> manifests;
    const int count = 1 + static_cast<int>(random() % 40);
    for (int i = 0; i < count; ++i)
      manifests.push_back(Manifest(fmt::format("{:03}", i), random() % 60, static_cast<int>(random() % 3)));
    const MergeOptions options{true, static_cast<int64_t>(random() % 8), 100};
    std::map<int, std::string> last;
    int seen = 0;
    for (const MergeBin& bin : PlanMerge(manifests, options)) {
      int64_t bytes = 0;
      for (const ManifestFile& manifest : bin) {
        bytes += manifest.manifest_length;
        EXPECT_EQ(manifest.partition_spec_id, bin.front().partition_spec_id);
        EXPECT_LT(last[manifest.partition_spec_id], manifest.manifest_path);
        last[manifest.partition_spec_id] = manifest.manifest_path;
        ++seen;
      }
      EXPECT_TRUE(bin.size() == 1 || bytes <= 100);
    }
    EXPECT_EQ(seen, count);
  }
}

TEST(MergeOptions, AreReadFromTheProperties) {
  iceberg::TableMetadata metadata;
  EXPECT_EQ(MergeOptionsOf(metadata)->target_bytes, 8'388'608);
  metadata.properties = {{"commit.manifest-merge.enabled", "false"},
                         {"commit.manifest.min-count-to-merge", "7"},
                         {"commit.manifest.target-size-bytes", "99"}};
  const MergeOptions options = MergeOptionsOf(metadata).ValueOrDie();
  EXPECT_FALSE(options.enabled);
  EXPECT_EQ(options.count_min, 7);
  EXPECT_EQ(options.target_bytes, 99);
  metadata.properties["commit.manifest.min-count-to-merge"] = "many";
  EXPECT_EQ(KindOf(MergeOptionsOf(metadata).status()), ErrorKind::kConfig);
}

}  // namespace
}  // namespace calve::table
