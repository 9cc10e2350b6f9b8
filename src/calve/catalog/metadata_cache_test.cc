#include "calve/catalog/metadata_cache.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "calve/base/testing_temp_dir.h"
#include "calve/storage/local_file_io.h"
#include "calve/storage/testing_memory_file_io.h"

namespace calve::catalog {
namespace {

iceberg::TableMetadata MetadataWithSnapshots(int count) {
  iceberg::Schema schema;
  schema.fields = {{1, "id", true, iceberg::Type::Of(iceberg::TypeId::kLong), ""}};
  iceberg::TableMetadata metadata =
      iceberg::NewTableMetadata(schema, {}, {}, "mem://t", {}, "9c12d441-03fe-4693-9a96-a0705ddf69c1", 1).ValueOrDie();
  for (int i = 1; i <= count; ++i) {
    iceberg::Snapshot snapshot;
    snapshot.snapshot_id = i;
    snapshot.sequence_number = metadata.last_sequence_number = i;
    snapshot.timestamp_ms = i;
    snapshot.manifest_list = fmt::format("mem://t/metadata/snap-{}-1.avro", i);
    snapshot.summary = {{"operation", "append"}, {"note", std::string(300, 'x')}};
    metadata.snapshots.push_back(std::move(snapshot));
  }
  return metadata;
}

class MetadataCacheTest : public ::testing::Test {
 protected:
  void Write(const std::string& location, const std::string& owner, int snapshots = 1'000) {
    iceberg::TableMetadata metadata = MetadataWithSnapshots(snapshots);
    metadata.properties["owner"] = owner;
    const std::string bytes = iceberg::WriteTableMetadata(metadata);
    ASSERT_EQ(bytes.size() >= MetadataCache::kFileBytesMin, snapshots >= 1'000) << bytes.size();
    ASSERT_TRUE(io_.Replace(location, bytes).ok());
  }

  // Where a snapshot stands in memory tells whether it was parsed anew.
  const iceberg::Snapshot* FirstOf(const std::string& location) {
    kept_.push_back(cache_.Read(location).ValueOrDie());
    return &kept_.back().snapshots.front();
  }
  std::string OwnerOf(const std::string& location) { return cache_.Read(location)->properties.at("owner"); }

  storage::MemoryFileIO io_;
  MetadataCache cache_{io_};
  std::vector<iceberg::TableMetadata> kept_;
};

TEST_F(MetadataCacheTest, TheSameBytesAreParsedOnce) {
  Write("mem://v1.json", "root");
  const iceberg::Snapshot* first = FirstOf("mem://v1.json");
  EXPECT_EQ(FirstOf("mem://v1.json"), first);
  EXPECT_EQ(iceberg::WriteTableMetadata(kept_[0]), iceberg::WriteTableMetadata(kept_[1]));
  Write("mem://v1.json", "root");
  EXPECT_EQ(FirstOf("mem://v1.json"), first);
  cache_.Forget("mem://v1.json");
  EXPECT_NE(FirstOf("mem://v1.json"), first);
}

// Which are hashed piece by piece before they are read as a whole.
TEST_F(MetadataCacheTest, LocalFilesAreParsedOnceAsWell) {
  TempDir dir;
  storage::LocalFileIO local;
  MetadataCache cache(local);
  const std::string location = dir.path() + "/v1.json";
  for (const char* owner : {"root", "toor"}) {
    iceberg::TableMetadata metadata = MetadataWithSnapshots(2'000);
    metadata.properties["owner"] = owner;
    ASSERT_TRUE(local.Replace(location, iceberg::WriteTableMetadata(metadata)).ok());
    const iceberg::TableMetadata first = cache.Read(location).ValueOrDie(), again = cache.Read(location).ValueOrDie();
    EXPECT_EQ(first.properties.at("owner"), owner);
    EXPECT_EQ(&first.snapshots.front(), &again.snapshots.front());
  }
  ASSERT_TRUE(local.Delete(location).ok());
  EXPECT_EQ(KindOf(cache.Read(location).status()), ErrorKind::kNotFound);
}

TEST_F(MetadataCacheTest, WhatReplacedAFileIsRead) {
  Write("mem://v1.json", "root");
  const iceberg::Snapshot* first = FirstOf("mem://v1.json");
  Write("mem://v1.json", "toor");  // of the same length
  EXPECT_EQ(OwnerOf("mem://v1.json"), "toor");
  EXPECT_NE(FirstOf("mem://v1.json"), first);
  ASSERT_TRUE(io_.Delete("mem://v1.json").ok());
  EXPECT_EQ(KindOf(cache_.Read("mem://v1.json").status()), ErrorKind::kNotFound);
}

TEST_F(MetadataCacheTest, WhatIsDamagedIsSaidEachTime) {
  Write("mem://v1.json", "root");
  FirstOf("mem://v1.json");
  const std::string bytes = io_.Read("mem://v1.json").ValueOrDie();
  ASSERT_TRUE(io_.Replace("mem://v1.json", bytes.substr(0, bytes.size() - 1)).ok());
  for (int i = 0; i < 2; ++i) {
    const Status status = cache_.Read("mem://v1.json").status();
    EXPECT_EQ(KindOf(status), ErrorKind::kCorrupt);
    EXPECT_NE(status.ToString().find("mem://v1.json"), std::string::npos);
  }
}

TEST_F(MetadataCacheTest, AChangeOfWhatItGaveOutIsNotSeen) {
  Write("mem://v1.json", "root");
  iceberg::TableMetadata mine = cache_.Read("mem://v1.json").ValueOrDie();
  mine.properties["owner"] = "me";
  mine.snapshots.Edit(0).manifest_list = "elsewhere";
  mine.snapshots.RemoveIf([](const auto& snapshot) { return snapshot.snapshot_id > 1; });
  const iceberg::TableMetadata again = cache_.Read("mem://v1.json").ValueOrDie();
  EXPECT_EQ(iceberg::WriteTableMetadata(again), io_.Read("mem://v1.json").ValueOrDie());
}

TEST_F(MetadataCacheTest, OnlyTheLastFewLargeFilesAreKept) {
  Write("mem://small.json", "root", 10);
  EXPECT_NE(FirstOf("mem://small.json"), FirstOf("mem://small.json"));
  std::vector<const iceberg::Snapshot*> firsts;
  const auto location = [](size_t i) { return fmt::format("mem://v{}.json", i); };
  for (size_t i = 0; i < MetadataCache::kFilesMax; ++i) {
    Write(location(i), "root");
    firsts.push_back(FirstOf(location(i)));
  }
  EXPECT_EQ(FirstOf(location(0)), firsts[0]);
  Write("mem://another.json", "root");
  FirstOf("mem://another.json");
  EXPECT_NE(FirstOf(location(1)), firsts[1]);  // the one that was not used for longest
  EXPECT_EQ(FirstOf(location(0)), firsts[0]);
}

TEST_F(MetadataCacheTest, ThreadsMayReadTheSame) {
  for (int i = 0; i < 6; ++i) Write(fmt::format("mem://v{}.json", i), fmt::format("owner{}", i));
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 12; ++i) {
        const int file = (i + t) % 6;
        EXPECT_EQ(OwnerOf(fmt::format("mem://v{}.json", file)), fmt::format("owner{}", file));
        if (i % 5 == t) cache_.Forget(fmt::format("mem://v{}.json", file));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace calve::catalog
