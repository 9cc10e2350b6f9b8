// Tables of format version 1, whose snapshots may name their manifests in the metadata.
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "calve/iceberg/manifest.h"
#include "calve/table/scan.h"
#include "calve/table/snapshot_manifests.h"
#include "calve/table/testing_table.h"

namespace calve::table {
namespace {

using iceberg::TableMetadata;

std::string Golden(const std::string& name) {
  std::ifstream in(std::string(CALVE_TEST_DATA) + "/golden/pyiceberg/manifests/" + name, std::ios::binary);
  EXPECT_TRUE(in.good()) << name;
  return std::string(std::istreambuf_iterator<char>(in), {});
}

// A v1 table with PyIceberg's three files of exchange "kraken", its manifest named directly or in a list.
TableMetadata V1Table(storage::MemoryFileIO& io, bool with_list) {
  EXPECT_TRUE(io.WriteNew("file:///t/metadata/v1.avro", Golden("v1.avro")).ok());
  EXPECT_TRUE(io.WriteNew("file:///t/metadata/list-v1.avro", Golden("list-v1.avro")).ok());
  TableMetadata table = EmptyTable({{"commit.manifest.min-count-to-merge", "2"}});
  table.format_version = 1;
  table.partition_specs[0].fields.push_back({2, 1001, "exchange", {}});
  table.last_partition_id = 1001;
  iceberg::Snapshot snapshot;
  snapshot.snapshot_id = 88;
  snapshot.timestamp_ms = 900;
  if (with_list) {
    snapshot.manifest_list = "file:///t/metadata/list-v1.avro";
  } else {
    snapshot.v1_manifests = {"file:///t/metadata/v1.avro"};
  }
  table.snapshots = {snapshot};
  table.current_snapshot_id = 88;
  table.refs["main"] = {88};
  return table;
}

TEST(V1Table, IsUpgradedByItsFirstAppend) {
  for (const bool with_list : {true, false}) {
    storage::MemoryFileIO io;
    const TableMetadata base = V1Table(io, with_list);
    iceberg::DataFile file = FileOfDay("new", 19950);
    file.partition.push_back(std::string("binance"));
    SnapshotProducer append(io, RequestOf({file}, "c"));
    const auto prepared = append.Prepare(base, 2'000);
    ASSERT_TRUE(prepared.ok()) << prepared.status().ToString();
    EXPECT_EQ(prepared->snapshot.sequence_number, 1);
    EXPECT_EQ(prepared->snapshot.summary.at("total-data-files"), "4");
    EXPECT_EQ(prepared->snapshot.summary.at("total-records"), "13");
    const auto table = Apply(base, *prepared);
    ASSERT_TRUE(table.ok()) << table.status().ToString();
    EXPECT_EQ(table->format_version, 2);
    const auto manifests = ReadManifests(io, *table, *table->CurrentSnapshot()).ValueOrDie();
    ASSERT_EQ(manifests.size(), 1u);
    EXPECT_EQ(manifests[0].min_sequence_number, 0);
    const auto entries = ReadEntries(io, *table, manifests[0]).ValueOrDie();
    ASSERT_EQ(entries.size(), 4u);
    EXPECT_EQ(entries[0].sequence_number, 1);
    EXPECT_EQ(entries[1].status, iceberg::EntryStatus::kExisting);
    EXPECT_EQ(entries[1].sequence_number, 0);
    EXPECT_EQ(entries[1].snapshot_id, 88);
  }
}

TEST(V1Table, FilesAreReplacedInIt) {
  for (const bool with_list : {true, false}) {
    storage::MemoryFileIO io;
    const TableMetadata base = V1Table(io, with_list);
    const auto files = ListDataFiles(io, base, 88).ValueOrDie();
    ASSERT_EQ(files.size(), 3u);
    iceberg::DataFile file = files[1];
    file.file_path = "file:///t/data/new";
    const auto table = Commit(io, base, Replacing(base, {files[1]}, {file}, "c"));
    ASSERT_TRUE(table.ok()) << table.status().ToString();
    EXPECT_EQ(table->format_version, 2);
    const auto& summary = table->CurrentSnapshot()->summary;
    EXPECT_EQ(summary.at("operation"), "overwrite");
    EXPECT_EQ(summary.at("total-data-files"), "3");
    const auto manifests = ReadManifests(io, *table, *table->CurrentSnapshot()).ValueOrDie();
    ASSERT_EQ(manifests.size(), 1u);
    const auto entries = ReadEntries(io, *table, manifests[0]).ValueOrDie();
    ASSERT_EQ(entries.size(), 4u);
    for (const size_t i : {1, 3}) {
      EXPECT_EQ(entries[i].status, iceberg::EntryStatus::kExisting);
      EXPECT_EQ(entries[i].snapshot_id, 88);
      EXPECT_EQ(entries[i].sequence_number, 0);
    }
    EXPECT_EQ(entries[2].status, iceberg::EntryStatus::kDeleted);
    EXPECT_EQ(entries[2].data_file.file_path, files[1].file_path);
    EXPECT_EQ(entries[2].snapshot_id, *table->current_snapshot_id);
    EXPECT_EQ(entries[2].sequence_number, 0);
    EXPECT_EQ(entries[2].file_sequence_number, 0);
  }
}

TEST(V1Table, ManifestsNamedInTheMetadataAreDescribed) {
  storage::MemoryFileIO io;
  const TableMetadata table = V1Table(io, false);
  const auto manifests = ReadManifests(io, table, *table.CurrentSnapshot());
  ASSERT_TRUE(manifests.ok()) << manifests.status().ToString();
  ASSERT_EQ(manifests->size(), 1u);
  EXPECT_EQ(manifests->at(0).added_files_count, 3);
  EXPECT_EQ(manifests->at(0).added_snapshot_id, 88);
  EXPECT_FALSE(manifests->at(0).partitions.has_value());
  EXPECT_EQ(ListDataFiles(io, table, 88)->size(), 3u);
  EXPECT_EQ(KindOf(ListDataFiles(io, table, 89).status()), ErrorKind::kNotFound);
}

}  // namespace
}  // namespace calve::table
