// Tables that other engines wrote (tests/data/golden/*/table): read them, and append to them.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include "calve/iceberg/manifest.h"
#include "calve/table/scan.h"
#include "calve/table/snapshot_manifests.h"
#include "calve/table/testing_table.h"

namespace calve::table {
namespace {

using iceberg::EntryStatus;
using iceberg::Literal;
using iceberg::ManifestEntry;
using iceberg::TableMetadata;

std::string Slurp(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

// Its files where the table says they are.
TableMetadata Load(storage::MemoryFileIO& io, const std::string& engine, const std::string& metadata) {
  const std::filesystem::path folder = std::string(CALVE_TEST_DATA) + "/golden/" + engine + "/table";
  auto parsed = iceberg::ParseTableMetadata(Slurp(folder / metadata));
  EXPECT_TRUE(parsed.ok()) << parsed.status().ToString();
  TableMetadata table = parsed.ValueOrDie();
  for (const auto& file : std::filesystem::directory_iterator(folder)) {
    const std::string name = file.path().filename();
    if (!name.ends_with(".avro")) continue;
    EXPECT_TRUE(io.WriteNew(storage::JoinLocation(table.location, "metadata/" + name), Slurp(file.path())).ok());
  }
  table.properties["commit.manifest.min-count-to-merge"] = "2";
  return table;
}

TEST(SparkTable, ItsEntriesAreRead) {
  storage::MemoryFileIO io;
  const TableMetadata table = Load(io, "spark", "v4.metadata.json");
  const auto manifests = ReadManifests(io, table, *table.CurrentSnapshot());
  ASSERT_TRUE(manifests.ok()) << manifests.status().ToString();
  ASSERT_EQ(manifests->size(), 2u);
  EXPECT_EQ(manifests->at(0).added_files_count, 1);
  EXPECT_EQ(manifests->at(0).sequence_number, 2);
  EXPECT_EQ(manifests->at(1).deleted_rows_count, 1);
  EXPECT_EQ(manifests->at(1).min_sequence_number, 1);
  const auto nulls = ReadEntries(io, table, manifests->at(0)).ValueOrDie();
  EXPECT_EQ(nulls[0].data_file.partition, std::vector<Literal>(4));
  EXPECT_EQ(nulls[0].sequence_number, 2);
  const auto entries = ReadEntries(io, table, manifests->at(1)).ValueOrDie();
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_EQ(entries[0].status, EntryStatus::kDeleted);
  EXPECT_EQ(entries[0].data_file.partition,
            (std::vector<Literal>{int32_t{-1}, int32_t{0}, std::string("b"), arrow::Decimal128(-1)}));
  EXPECT_EQ(entries[0].data_file.nan_value_counts.at(5), 1);
  EXPECT_EQ(entries[1].status, EntryStatus::kExisting);
  EXPECT_EQ(entries[1].sequence_number, 1);
  EXPECT_EQ(entries[1].data_file.file_size_in_bytes, 1500);
  EXPECT_EQ(entries[1].data_file.lower_bounds.at(3), std::string("\1\0\0\0\0\0\0\0", 8));
  // Every manifest's own summary is what we would have written.
  const auto encoded =
      EncodeManifest(table.schema(), table.spec(), manifests->at(1).added_snapshot_id, entries).ValueOrDie();
  EXPECT_EQ(encoded.summary.min_sequence_number, 1);
  ASSERT_EQ(encoded.summary.partitions->size(), 4u);
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(encoded.summary.partitions->at(i).lower_bound, manifests->at(1).partitions->at(i).lower_bound) << i;
    EXPECT_EQ(encoded.summary.partitions->at(i).upper_bound, manifests->at(1).partitions->at(i).upper_bound) << i;
  }
}

TEST(SparkTable, AnAppendMergesItsManifests) {
  storage::MemoryFileIO io;
  const TableMetadata base = Load(io, "spark", "v4.metadata.json");
  iceberg::DataFile file = FileOfDay("new", 19950, 3, 300);
  file.partition = {int32_t{19950}, int32_t{1}, std::string("k"), arrow::Decimal128(150000000)};
  const auto table = AppendTo(io, base, {file}, "c");
  ASSERT_TRUE(table.ok()) << table.status().ToString();
  const auto& summary = table->CurrentSnapshot()->summary;
  EXPECT_EQ(summary.at("total-records"), "5");
  EXPECT_EQ(summary.at("total-data-files"), "3");
  EXPECT_EQ(summary.at("total-files-size"), "2970");
  const auto manifests = ReadManifests(io, *table, *table->CurrentSnapshot()).ValueOrDie();
  ASSERT_EQ(manifests.size(), 1u);
  EXPECT_EQ(manifests[0].min_sequence_number, 1);
  const auto entries = ReadEntries(io, *table, manifests[0]).ValueOrDie();
  ASSERT_EQ(entries.size(), 3u);
  EXPECT_EQ(entries[0].sequence_number, 4);
  EXPECT_EQ(entries[1].sequence_number, 2);
  EXPECT_EQ(entries[2].sequence_number, 1);
  EXPECT_EQ(entries[2].status, EntryStatus::kExisting);
}

TEST(SparkTable, AnOverwriteReplacesOneOfItsFiles) {
  storage::MemoryFileIO io;
  const TableMetadata base = Load(io, "spark", "v4.metadata.json");
  const auto files = ListDataFiles(io, base, *base.current_snapshot_id).ValueOrDie();
  ASSERT_EQ(files.size(), 2u);
  iceberg::DataFile file = files[1];
  file.file_path += ".new";
  const auto table = Commit(io, base, Replacing(base, {files[1]}, {file}, "c"));
  ASSERT_TRUE(table.ok()) << table.status().ToString();
  const auto& summary = table->CurrentSnapshot()->summary;
  EXPECT_EQ(summary.at("operation"), "overwrite");
  EXPECT_EQ(summary.at("total-data-files"), "2");
  EXPECT_EQ(summary.at("total-records"), base.CurrentSnapshot()->summary.at("total-records"));
  EXPECT_EQ(summary.at("removed-files-size"), "1500");
  const auto manifests = ReadManifests(io, *table, *table->CurrentSnapshot()).ValueOrDie();
  ASSERT_EQ(manifests.size(), 1u);
  const auto entries = ReadEntries(io, *table, manifests[0]).ValueOrDie();
  // What an older snapshot deleted is not carried on.
  ASSERT_EQ(entries.size(), 3u);
  EXPECT_EQ(entries[0].status, EntryStatus::kAdded);
  EXPECT_EQ(entries[0].sequence_number, 4);
  EXPECT_EQ(entries[1].status, EntryStatus::kExisting);
  EXPECT_EQ(entries[2].status, EntryStatus::kDeleted);
  EXPECT_EQ(entries[2].sequence_number, 1);
  EXPECT_EQ(entries[2].snapshot_id, *table->current_snapshot_id);
  EXPECT_EQ(entries[2].data_file.partition, files[1].partition);
}

TEST(ClickHouseTable, ItsFilesAreRead) {
  storage::MemoryFileIO io;
  const TableMetadata table = Load(io, "clickhouse", "v3.metadata.json");
  const auto manifests = ReadManifests(io, table, *table.CurrentSnapshot());
  ASSERT_TRUE(manifests.ok()) << manifests.status().ToString();
  EXPECT_EQ(manifests->size(), 4u);
  const auto files = ListDataFiles(io, table, *table.current_snapshot_id);
  ASSERT_TRUE(files.ok()) << files.status().ToString();
  ASSERT_EQ(files->size(), 4u);
  std::set<std::string> exchanges;
  for (const auto& file : *files) {
    EXPECT_EQ(file.record_count, 1);
    EXPECT_EQ(file.partition[0], Literal(int32_t{19944}));
    exchanges.insert(std::get<std::string>(file.partition[1]));
  }
  EXPECT_EQ(exchanges, (std::set<std::string>{"a", "b"}));
}

TEST(ClickHouseTable, ManifestsOfATransformThatIsNotKnownStayAsTheyAre) {
  storage::MemoryFileIO io;
  TableMetadata table = Load(io, "clickhouse", "v3.metadata.json");
  const auto before = ReadManifests(io, table, *table.CurrentSnapshot()).ValueOrDie();
  // Whatever the reader of the metadata makes of ClickHouse's "days".
  table.partition_specs[0].fields[0].transform = iceberg::ParseTransform("fortnight");
  table.partition_specs.push_back({1, {}});
  table.default_spec_id = 1;
  iceberg::DataFile file = FileOfDay("new", 0);
  file.spec_id = 1;
  file.partition.clear();
  const auto after = AppendTo(io, table, {file}, "c");
  ASSERT_TRUE(after.ok()) << after.status().ToString();
  const auto manifests = ReadManifests(io, *after, *after->CurrentSnapshot()).ValueOrDie();
  ASSERT_EQ(manifests.size(), 5u);
  EXPECT_EQ(manifests[0].partition_spec_id, 1);
  for (size_t i = 0; i < 4; ++i) EXPECT_EQ(manifests[i + 1].manifest_path, before[i].manifest_path);
  EXPECT_EQ(ListDataFiles(io, *after, *after->current_snapshot_id)->size(), 5u);
}

}  // namespace
}  // namespace calve::table
