// Manifests and manifest lists that PyIceberg wrote (tests/data/golden/pyiceberg/manifests).
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "calve/iceberg/manifest.h"
#include "calve/iceberg/testing_manifest.h"

namespace calve::iceberg {
namespace {

std::string Golden(const std::string& name) {
  std::ifstream in(std::string(CALVE_TEST_DATA) + "/golden/pyiceberg/manifests/" + name, std::ios::binary);
  EXPECT_TRUE(in.good()) << name;
  return std::string(std::istreambuf_iterator<char>(in), {});
}

TEST(GoldenManifest, EveryTypeStatusAndMetric) {
  for (const char* codec : {"deflate", "null", "zstandard"}) {
    const std::string bytes = Golden(std::string("all-types-") + codec + ".avro");
    const auto entries = DecodeManifest(bytes, AllTypesSchema(), AllTransformsSpec(), nullptr);
    ASSERT_TRUE(entries.ok()) << codec << entries.status().ToString();
    EXPECT_TRUE(*entries == AllStatusEntries()) << codec;
    EXPECT_EQ(DecodeManifestHeader(bytes)->spec_id, 3);
  }
}

TEST(GoldenManifest, ListAgreesWithOurOwnSummary) {
  const auto rows = DecodeManifestList(Golden("list-v2.avro"));
  ASSERT_TRUE(rows.ok()) << rows.status().ToString();
  ASSERT_EQ(rows->size(), 3u);
  ManifestFile ours = EncodeManifest(AllTypesSchema(), AllTransformsSpec(), 77, AllStatusEntries())->summary;
  for (const ManifestFile& row : *rows) {
    EXPECT_EQ(row.manifest_length,
              static_cast<int64_t>(Golden(row.manifest_path.substr(row.manifest_path.rfind('/') + 1)).size()));
    ours.manifest_path = row.manifest_path;
    ours.manifest_length = row.manifest_length;
    ours.sequence_number = 9;
    EXPECT_TRUE(row == ours) << row.manifest_path;
  }
}

TEST(GoldenManifest, V1InheritsZeros) {
  const Schema schema{
      0,
      {{1, "ts", false, Type::Of(TypeId::kTimestampTz), ""}, {2, "exchange", true, Type::Of(TypeId::kString), ""}},
      {}};
  const PartitionSpec spec{0, {{1, 1000, "ts_day", ParseTransform("day")}, {2, 1001, "exchange", {}}}};
  const auto rows = DecodeManifestList(Golden("list-v1.avro"));
  ASSERT_TRUE(rows.ok()) << rows.status().ToString();
  ASSERT_EQ(rows->size(), 1u);
  EXPECT_EQ(rows->at(0).added_files_count, 3);
  EXPECT_EQ(rows->at(0).sequence_number, 0);
  EXPECT_EQ(rows->at(0).content, ManifestContent::kData);
  const auto entries = DecodeManifest(Golden("v1.avro"), schema, spec, &rows->at(0));
  ASSERT_TRUE(entries.ok()) << entries.status().ToString();
  ASSERT_EQ(entries->size(), 3u);
  for (int i = 0; i < 3; ++i) {
    const ManifestEntry& entry = entries->at(static_cast<size_t>(i));
    EXPECT_EQ(entry.snapshot_id, 88);
    EXPECT_EQ(entry.sequence_number, 0);
    EXPECT_EQ(entry.file_sequence_number, 0);
    EXPECT_EQ(entry.data_file.partition, (std::vector<Literal>{int32_t{19944 + i}, std::string("kraken")}));
    EXPECT_EQ(entry.data_file.record_count, i);
  }
}

}  // namespace
}  // namespace calve::iceberg
