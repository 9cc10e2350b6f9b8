#include "calve/iceberg/manifest.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "calve/iceberg/avro_file.h"
#include "calve/iceberg/manifest_schema.h"
#include "calve/iceberg/testing_manifest.h"

namespace calve::iceberg {
namespace {

using nlohmann::json;

ManifestFile RowOf(const EncodedManifest& manifest, int64_t sequence_number) {
  ManifestFile file = manifest.summary;
  file.manifest_path = "file:///t/metadata/m0.avro";
  file.sequence_number = sequence_number;
  if (file.min_sequence_number == kUnassignedSequenceNumber) file.min_sequence_number = sequence_number;
  return file;
}

EncodedManifest AllTypesManifest() {
  return EncodeManifest(AllTypesSchema(), AllTransformsSpec(), 77, AllStatusEntries()).ValueOrDie();
}

json AvroSchemaOf(const std::string& bytes) { return json::parse(ReadAvroFile(bytes)->metadata.at("avro.schema")); }

// The field of a record schema (possibly inside a union with null).
json FieldOf(const json& record, const std::string& name) {
  for (const json& field : record["fields"]) {
    if (field["name"] == name) return field;
  }
  return {};
}

TEST(Manifest, EverythingComesBack) {
  const EncodedManifest manifest = AllTypesManifest();
  const auto entries = DecodeManifest(manifest.bytes, AllTypesSchema(), AllTransformsSpec(), nullptr);
  ASSERT_TRUE(entries.ok()) << entries.status().ToString();
  EXPECT_TRUE(*entries == AllStatusEntries());
}

TEST(Manifest, AddedFilesInheritTheSequenceNumberAndOthersKeepTheirs) {
  const EncodedManifest manifest = AllTypesManifest();
  const ManifestFile row = RowOf(manifest, 9);
  const auto entries = DecodeManifest(manifest.bytes, AllTypesSchema(), AllTransformsSpec(), &row).ValueOrDie();
  EXPECT_EQ(entries[0].sequence_number, 9);
  EXPECT_EQ(entries[0].file_sequence_number, 9);
  EXPECT_EQ(entries[0].snapshot_id, 77);
  EXPECT_EQ(entries[1].sequence_number, 3);
  EXPECT_EQ(entries[1].file_sequence_number, 4);
  EXPECT_EQ(entries[1].snapshot_id, 11);
  EXPECT_EQ(entries[2].sequence_number, 2);
}

TEST(Manifest, AnAddedEntryHasTheCommitsNumbersButForTheAgeOfItsRows) {
  for (const std::optional<int64_t> of_rows : {std::optional<int64_t>(), std::optional<int64_t>(5)}) {
    ManifestEntry entry{EntryStatus::kAdded, std::nullopt, of_rows, 5, FileWithMetrics("a", FullPartition(), 1)};
    const auto manifest = EncodeManifest(AllTypesSchema(), AllTransformsSpec(), 42, {{entry}}).ValueOrDie();
    const auto entries = DecodeManifest(manifest.bytes, AllTypesSchema(), AllTransformsSpec(), nullptr).ValueOrDie();
    EXPECT_EQ(entries[0].snapshot_id, 42);
    EXPECT_EQ(entries[0].sequence_number, of_rows);
    EXPECT_EQ(entries[0].file_sequence_number, std::nullopt);
    EXPECT_EQ(manifest.summary.min_sequence_number, of_rows.value_or(kUnassignedSequenceNumber));
  }
}

TEST(Manifest, SummaryCountsAndBounds) {
  const ManifestFile summary = AllTypesManifest().summary;
  EXPECT_EQ(summary.added_files_count, 1);
  EXPECT_EQ(summary.added_rows_count, 10);
  EXPECT_EQ(summary.existing_rows_count, 5);
  EXPECT_EQ(summary.deleted_rows_count, 1);
  EXPECT_EQ(summary.sequence_number, kUnassignedSequenceNumber);
  EXPECT_EQ(summary.min_sequence_number, 3);  // of live files: the deleted one's 2 does not count
  EXPECT_EQ(summary.added_snapshot_id, 77);
  EXPECT_EQ(summary.partition_spec_id, 3);
  ASSERT_EQ(summary.partitions->size(), 23u);
  EXPECT_EQ(summary.partitions->at(1).lower_bound, std::string("\xf9\xff\xff\xff"));
  EXPECT_TRUE(summary.partitions->at(1).contains_null);
  // void: never a value, so no bounds, and not empty ones either.
  EXPECT_EQ(summary.partitions->at(21).lower_bound, std::nullopt);
}

TEST(Manifest, SummaryKeepsNanOutOfTheBounds) {
  const Schema schema{0, {{1, "x", false, Type::Of(TypeId::kDouble), ""}}, {}};
  const PartitionSpec spec{0, {{1, 1000, "x", {}}}};
  std::vector<ManifestEntry> entries;
  for (const Literal& value : {Literal(3.0), Literal(std::nan("")), Literal(-1.0)}) {
    DataFile file;
    file.file_path = "f";
    file.partition = {value};
    entries.push_back({EntryStatus::kAdded, {}, {}, {}, file});
  }
  const FieldSummary all = EncodeManifest(schema, spec, 1, entries)->summary.partitions->at(0);
  EXPECT_EQ(all, (FieldSummary{false, true, ToBytes(Type::Of(TypeId::kDouble), -1.0),
                               ToBytes(Type::Of(TypeId::kDouble), 3.0)}));
  const FieldSummary nan = EncodeManifest(schema, spec, 1, {{entries[1]}})->summary.partitions->at(0);
  EXPECT_EQ(nan, (FieldSummary{false, true, std::nullopt, std::nullopt}));
  const FieldSummary one = EncodeManifest(schema, spec, 1, {{entries[0]}})->summary.partitions->at(0);
  EXPECT_EQ(one.contains_nan, false);
}

TEST(Manifest, HeaderHasTheKeysOfTheSpec) {
  const auto file = ReadAvroFile(AllTypesManifest().bytes).ValueOrDie();
  EXPECT_EQ(file.metadata.at("format-version"), "2");
  EXPECT_EQ(file.metadata.at("content"), "data");
  EXPECT_EQ(file.metadata.at("partition-spec-id"), "3");
  EXPECT_EQ(file.metadata.at("schema-id"), "0");
  const json fields = json::parse(file.metadata.at("partition-spec"));
  ASSERT_TRUE(fields.is_array());
  EXPECT_EQ(fields[0], json::parse(R"({"name":"flag","transform":"identity","source-id":1,"field-id":1000})"));
  EXPECT_EQ(json::parse(file.metadata.at("schema"))["fields"].size(), 15u);
  EXPECT_EQ(DecodeManifestHeader(AllTypesManifest().bytes)->spec_id, 3);
}

TEST(Manifest, AvroSchemaIsTheSpecs) {
  const json entry = AvroSchemaOf(AllTypesManifest().bytes);
  EXPECT_EQ(entry["name"], "manifest_entry");
  EXPECT_EQ(FieldOf(entry, "sequence_number"),
            json::parse(R"({"name":"sequence_number","type":["null","long"],"default":null,"field-id":3})"));
  const json file = FieldOf(entry, "data_file")["type"];
  EXPECT_EQ(file["name"], "r2");
  EXPECT_EQ(FieldOf(file, "lower_bounds"),
            json::parse(R"({"name":"lower_bounds","default":null,"field-id":125,"type":["null",
      {"type":"array","logicalType":"map","key-id":126,"value-id":127,"items":{"type":"record","name":"k126_v127","fields":[
        {"name":"key","type":"int","field-id":126},{"name":"value","type":"bytes","field-id":127}]}}]})"));
  EXPECT_EQ(FieldOf(file, "split_offsets")["type"][1],
            json::parse(R"({"type":"array","items":"long","element-id":133})"));
  const json partition = FieldOf(file, "partition")["type"];
  EXPECT_EQ(partition["name"], "r102");
  EXPECT_EQ(FieldOf(partition, "tz_day")["type"][1], json::parse(R"({"type":"int","logicalType":"date"})"));
  EXPECT_EQ(FieldOf(partition, "tz")["type"][1],
            json::parse(R"({"type":"long","logicalType":"timestamp-micros","adjust-to-utc":true})"));
  EXPECT_EQ(FieldOf(partition, "uid")["type"][1],
            json::parse(R"({"type":"fixed","name":"uuid_fixed","size":16,"logicalType":"uuid"})"));
  EXPECT_EQ(
      FieldOf(partition, "price")["type"][1],
      json::parse(R"({"type":"fixed","name":"decimal_9_2","size":4,"logicalType":"decimal","precision":9,"scale":2})"));
  EXPECT_EQ(FieldOf(partition, "price_trunc")["type"][1]["name"], "decimal_9_2_r1022");
  EXPECT_EQ(FieldOf(partition, "te_x20xt")["iceberg-field-name"], "te xt");
  EXPECT_EQ(FieldOf(partition, "big_bucket")["field-id"], 1015);
}

TEST(Manifest, AvroNames) {
  EXPECT_EQ(manifest::AvroName("ts_day"), "ts_day");
  EXPECT_EQ(manifest::AvroName("a b.c"), "a_x20b_x2Ec");
  EXPECT_EQ(manifest::AvroName("1st"), "_1st");
  EXPECT_EQ(manifest::AvroName("a1"), "a1");
  EXPECT_EQ(manifest::AvroName("-"), "_x2D");
  EXPECT_EQ(manifest::AvroName("€😀"), "_x20AC_xD83D_xDE00");
  EXPECT_EQ(manifest::AvroName("\xff"), "_xFF");
}

TEST(Manifest, DecimalsTakeTheFewestBytes) {
  for (const auto& [precision, bytes] :
       std::map<int, int>{{1, 1}, {2, 1}, {3, 2}, {4, 2}, {9, 4}, {10, 5}, {18, 8}, {19, 9}, {38, 16}}) {
    EXPECT_EQ(manifest::DecimalBytes(precision), bytes) << precision;
  }
}

TEST(Manifest, RefusesEntriesThatReadersWouldMisread) {
  const Schema schema = AllTypesSchema();
  const PartitionSpec spec = AllTransformsSpec();
  const auto refused = [&](auto change) {
    ManifestEntry entry = AllStatusEntries()[1];
    change(entry);
    const auto result = EncodeManifest(schema, spec, 77, {{entry}});
    return !result.ok() && KindOf(result.status()) == ErrorKind::kFailed;
  };
  EXPECT_FALSE(refused([](ManifestEntry&) {}));
  EXPECT_TRUE(refused([](ManifestEntry& e) { e.sequence_number.reset(); }));
  EXPECT_TRUE(refused([](ManifestEntry& e) { e.file_sequence_number.reset(); }));
  EXPECT_TRUE(refused([](ManifestEntry& e) { e.snapshot_id.reset(); }));
  EXPECT_TRUE(refused([](ManifestEntry& e) { e.status = EntryStatus::kDeleted, e.sequence_number.reset(); }));
  EXPECT_TRUE(refused([](ManifestEntry& e) { e.data_file.content = FileContent::kEqualityDeletes; }));
  EXPECT_TRUE(refused([](ManifestEntry& e) { e.data_file.file_path.clear(); }));
  EXPECT_TRUE(refused([](ManifestEntry& e) { e.data_file.record_count = -1; }));
  EXPECT_TRUE(refused([](ManifestEntry& e) { e.data_file.partition.pop_back(); }));
  EXPECT_TRUE(refused([](ManifestEntry& e) { e.data_file.partition[1] = int64_t{1}; }));
  EXPECT_TRUE(refused([](ManifestEntry& e) { e.data_file.partition[10] = std::string("short"); }));
  EXPECT_TRUE(refused([](ManifestEntry& e) { e.data_file.partition[13] = arrow::Decimal128("99999999999999"); }));
}

TEST(Manifest, ExtremePartitionValuesComeBack) {
  const Schema schema = AllTypesSchema();
  const PartitionSpec spec = AllTransformsSpec();
  const std::vector<std::pair<size_t, Literal>> values = {
      {1, std::numeric_limits<int32_t>::min()},
      {2, std::numeric_limits<int64_t>::min()},
      {2, std::numeric_limits<int64_t>::max()},
      {3, -std::numeric_limits<float>::infinity()},
      {4, -0.0},
      {9, std::string()},
      {9, std::string("\0", 1)},
      {12, std::string(100'000, '\xff')},
      {13, arrow::Decimal128(-999999999)},
      {13, arrow::Decimal128(0)},
      {14, arrow::Decimal128("-99999999999999999999999999999999999999")}};
  for (const auto& [index, value] : values) {
    ManifestEntry entry = AllStatusEntries()[0];
    entry.data_file.partition[index] = value;
    const auto manifest = EncodeManifest(schema, spec, 77, {{entry}});
    ASSERT_TRUE(manifest.ok()) << index << manifest.status().ToString();
    const auto entries = DecodeManifest(manifest->bytes, schema, spec, nullptr);
    ASSERT_TRUE(entries.ok()) << index << entries.status().ToString();
    EXPECT_TRUE(entries->at(0) == entry) << index;
  }
}

TEST(Manifest, ReadsPartitionsWrittenBeforeAPromotion) {
  Schema schema{0,
                {{1, "a", false, Type::Of(TypeId::kInt), ""},
                 {2, "b", false, Type::Of(TypeId::kFloat), ""},
                 {3, "c", false, Type::Decimal(4, 2), ""}},
                {}};
  const PartitionSpec spec{0, {{1, 1000, "a", {}}, {2, 1001, "b", {}}, {3, 1002, "c", {}}}};
  ManifestEntry entry;
  entry.data_file.file_path = "f";
  entry.data_file.partition = {int32_t{-5}, 1.5F, arrow::Decimal128(-7)};
  const auto manifest = EncodeManifest(schema, spec, 1, {{entry}}).ValueOrDie();
  schema.fields[0].type = Type::Of(TypeId::kLong);
  schema.fields[1].type = Type::Of(TypeId::kDouble);
  schema.fields[2].type = Type::Decimal(18, 2);
  const auto entries = DecodeManifest(manifest.bytes, schema, spec, nullptr);
  ASSERT_TRUE(entries.ok()) << entries.status().ToString();
  EXPECT_EQ(entries->at(0).data_file.partition, (std::vector<Literal>{int64_t{-5}, 1.5, arrow::Decimal128(-7)}));
  schema.fields[0].type = Type::Of(TypeId::kString);
  EXPECT_EQ(KindOf(DecodeManifest(manifest.bytes, schema, spec, nullptr).status()), ErrorKind::kCorrupt);
}

TEST(Manifest, ReadsFieldsByNameWhereTheWriterGaveNoIds) {
  const Schema schema = AllTypesSchema();
  const PartitionSpec spec = AllTransformsSpec();
  const auto file = ReadAvroFile(AllTypesManifest().bytes).ValueOrDie();
  json without = json::parse(file.metadata.at("avro.schema"));
  const auto strip = [](auto& self, json& node) -> void {
    if (node.is_object()) node.erase("field-id");
    if (node.is_structured()) {
      for (json& child : node) self(self, child);
    }
  };
  strip(strip, without);
  AvroFileWriter writer(without.dump(), {});
  writer.buffer() = file.blocks[0].bytes;
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(writer.EndObject().ok());
  const auto entries = DecodeManifest(writer.Finish().ValueOrDie(), schema, spec, nullptr);
  ASSERT_TRUE(entries.ok()) << entries.status().ToString();
  EXPECT_TRUE(*entries == AllStatusEntries());
}

TEST(Manifest, SkipsFieldsThatItDoesNotKnowAndReadsV3s) {
  const char* avro = R"({"type":"record","name":"manifest_entry","fields":[
    {"name":"future","type":{"type":"map","values":["null","string"]},"field-id":9000},{"name":"status","type":"int","field-id":0},
    {"name":"data_file","field-id":2,"type":{"type":"record","name":"r2","fields":[
      {"name":"content","type":"int","field-id":134},{"name":"file_path","type":"string","field-id":100},{"name":"file_format","type":"string","field-id":101},
      {"name":"distinct_counts","type":["null",{"type":"array","items":"long"}],"field-id":111},{"name":"record_count","type":"int","field-id":103},
      {"name":"file_size_in_bytes","type":"long","field-id":104},{"name":"equality_ids","type":{"type":"array","items":"int"},"field-id":135},
      {"name":"first_row_id","type":["null","long"],"field-id":142},{"name":"referenced_data_file","type":["null","string"],"field-id":143},
      {"name":"content_offset","type":["long","null"],"field-id":144},{"name":"content_size_in_bytes","type":"long","field-id":145}]}}]})";
  AvroFileWriter writer(
      avro, {{"format-version", "3"}, {"content", "deletes"}, {"partition-spec", R"({"spec-id":6,"fields":[]})"}});
  std::string& out = writer.buffer();
  for (const int64_t n : {1}) PutAvroLong(out, n);
  PutAvroBytes(out, "key");
  for (const int64_t n : {1}) PutAvroLong(out, n);
  PutAvroBytes(out, "value");
  for (const int64_t n : {0, 1, 1}) PutAvroLong(out, n);  // end of map, status, content
  PutAvroBytes(out, "d.puffin");
  PutAvroBytes(out, "PUFFIN");
  for (const int64_t n : {1, 1, 99, 0, 4, 55, 2, 7, 8, 0, 0, 1}) PutAvroLong(out, n);
  PutAvroBytes(out, "a.parquet");
  for (const int64_t n : {0, 12, 13}) PutAvroLong(out, n);
  ASSERT_TRUE(writer.EndObject().ok());
  const std::string bytes = writer.Finish().ValueOrDie();
  const auto entries = DecodeManifest(bytes, AllTypesSchema(), PartitionSpec{}, nullptr);
  ASSERT_TRUE(entries.ok()) << entries.status().ToString();
  const DataFile& file = entries->at(0).data_file;
  EXPECT_EQ(file.content, FileContent::kPositionDeletes);
  EXPECT_EQ(file.record_count, 4);
  EXPECT_EQ(file.equality_ids, (std::vector<int>{7, 8}));
  EXPECT_EQ(file.first_row_id, std::nullopt);
  EXPECT_EQ(file.referenced_data_file, "a.parquet");
  EXPECT_EQ(file.content_offset, 12);
  EXPECT_EQ(file.content_size_in_bytes, 13);
  EXPECT_EQ(DecodeManifestHeader(bytes)->spec_id, 6);
  EXPECT_EQ(DecodeManifestHeader(bytes)->content, ManifestContent::kDeletes);
}

TEST(Manifest, AThousandBlocksAreRead) {
  std::vector<ManifestEntry> entries;
  for (int i = 0; i < 5'000; ++i) {
    entries.push_back({EntryStatus::kExisting, i, i, i, FileWithMetrics(fmt::format("f{}", i), FullPartition(), i)});
  }
  const auto manifest = EncodeManifest(AllTypesSchema(), AllTransformsSpec(), 1, entries).ValueOrDie();
  EXPECT_TRUE(*DecodeManifest(manifest.bytes, AllTypesSchema(), AllTransformsSpec(), nullptr) == entries);
}

TEST(Manifest, AnEmptyOneIsValid) {
  const auto manifest = EncodeManifest(AllTypesSchema(), AllTransformsSpec(), 1, {}).ValueOrDie();
  EXPECT_TRUE(DecodeManifest(manifest.bytes, AllTypesSchema(), AllTransformsSpec(), nullptr)->empty());
  EXPECT_EQ(manifest.summary.partitions->size(), 23u);
}

}  // namespace
}  // namespace calve::iceberg
