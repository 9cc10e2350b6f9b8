#include "calve/catalog/metadata_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "calve/catalog/gzip.h"

namespace calve::catalog {
namespace {

TEST(Gzip, RoundTrips) {
  std::string large(3 << 20, 'x');
  for (size_t i = 0; i < large.size(); i += 7) large[i] = static_cast<char>(i * 2654435761u >> 11);
  for (const std::string& text : {std::string(), std::string("x"), large}) {
    std::string packed = Gzip(text).ValueOrDie();
    EXPECT_TRUE(IsGzip(packed));
    EXPECT_TRUE(Gunzip(packed, text.size()).ValueOrDie() == text);
  }
}

TEST(Gzip, DamageIsCorrupt) {
  std::string text;
  for (int i = 0; i < 300; ++i) text += std::to_string(i * i);
  std::string packed = Gzip(text).ValueOrDie();
  for (size_t cut = 0; cut < packed.size(); ++cut) {
    EXPECT_EQ(KindOf(Gunzip(packed.substr(0, cut), 1 << 20).status()), ErrorKind::kCorrupt) << cut;
  }
  for (size_t at = packed.size() / 2; at < packed.size(); ++at) {
    std::string flipped = packed;
    flipped[at] = static_cast<char>(flipped[at] ^ 0x40);
    EXPECT_FALSE(Gunzip(flipped, 1 << 20).ok()) << at;
  }
}

TEST(Gzip, AnInflatingFileIsStopped) {
  std::string packed = Gzip(std::string(50 << 20, '\0')).ValueOrDie();
  EXPECT_LT(packed.size(), 100'000u);
  EXPECT_EQ(KindOf(Gunzip(packed, 1 << 20).status()), ErrorKind::kCorrupt);
}

TEST(MetadataFile, NamesOfMetastoreCatalogs) {
  EXPECT_EQ(MetastoreVersionOf("/a/00007-0a6f1c2e-0000-4000-8000-000000000001.metadata.json"), 7);
  EXPECT_EQ(MetastoreVersionOf("s3://b/123456-x.gz.metadata.json"), 123456);
  EXPECT_EQ(MetastoreVersionOf("00000-x.metadata.json"), 0);
  EXPECT_EQ(MetastoreVersionOf("v3.metadata.json"), std::nullopt);
  EXPECT_EQ(MetastoreVersionOf("a-b.metadata.json"), std::nullopt);
}

TEST(MetadataFile, CompressionIsAPropertyOfTheTable) {
  iceberg::TableMetadata metadata;
  EXPECT_EQ(CompressionOf(metadata).ValueOrDie(), MetadataCompression::kNone);
  metadata.properties["write.metadata.compression-codec"] = "GZIP";
  EXPECT_EQ(CompressionOf(metadata).ValueOrDie(), MetadataCompression::kGzip);
  metadata.properties["write.metadata.compression-codec"] = "brotli";
  Status status = CompressionOf(metadata).status();
  EXPECT_EQ(KindOf(status), ErrorKind::kConfig);
  EXPECT_THAT(MessageOf(status), ::testing::HasSubstr("brotli"));
}

}  // namespace
}  // namespace calve::catalog
