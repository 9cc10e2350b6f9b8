#include <fmt/format.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "calve/iceberg/avro_file.h"
#include "calve/iceberg/manifest.h"
#include "calve/iceberg/testing_manifest.h"

namespace calve::iceberg {
namespace {

using nlohmann::json;

ManifestFile Row(const std::string& path) {
  ManifestFile file;
  file.manifest_path = path;
  file.manifest_length = 4321;
  file.partition_spec_id = 2;
  file.sequence_number = 9;
  file.min_sequence_number = 3;
  file.added_snapshot_id = 77;
  file.added_files_count = 1;
  file.existing_files_count = 2;
  file.deleted_files_count = 3;
  file.added_rows_count = int64_t{1} << 40;
  file.existing_rows_count = 5;
  file.deleted_rows_count = 6;
  return file;
}

std::vector<ManifestFile> Rows() {
  std::vector<ManifestFile> rows = {Row("a"), Row("b"), Row("c")};
  rows[0].partitions = {
      {true, false, "low", "upp"}, {false, std::nullopt, std::nullopt, std::nullopt}, {true, true, "", ""}};
  rows[1].partitions.emplace();
  rows[1].content = ManifestContent::kDeletes;
  rows[2].key_metadata = "key";
  return rows;
}

TEST(ManifestList, EverythingComesBack) {
  const auto bytes = EncodeManifestList(77, 11, 9, Rows());
  ASSERT_TRUE(bytes.ok()) << bytes.status().ToString();
  const auto rows = DecodeManifestList(*bytes);
  ASSERT_TRUE(rows.ok()) << rows.status().ToString();
  EXPECT_TRUE(*rows == Rows());
}

TEST(ManifestList, HeaderAndSchemaAreTheSpecs) {
  const auto metadata = ReadAvroFile(EncodeManifestList(77, 11, 9, {}).ValueOrDie())->metadata;
  EXPECT_EQ(metadata.at("snapshot-id"), "77");
  EXPECT_EQ(metadata.at("parent-snapshot-id"), "11");
  EXPECT_EQ(metadata.at("sequence-number"), "9");
  EXPECT_EQ(metadata.at("format-version"), "2");
  EXPECT_EQ(ReadAvroFile(EncodeManifestList(77, {}, 1, {}).ValueOrDie())->metadata.at("parent-snapshot-id"), "null");
  const json schema = json::parse(metadata.at("avro.schema"));
  EXPECT_EQ(schema["name"], "manifest_file");
  std::map<int, std::string> names;
  for (const json& field : schema["fields"]) names[field["field-id"]] = field["name"];
  const std::map<int, std::string> expected = {{500, "manifest_path"},       {501, "manifest_length"},
                                               {502, "partition_spec_id"},   {503, "added_snapshot_id"},
                                               {504, "added_files_count"},   {505, "existing_files_count"},
                                               {506, "deleted_files_count"}, {507, "partitions"},
                                               {512, "added_rows_count"},    {513, "existing_rows_count"},
                                               {514, "deleted_rows_count"},  {515, "sequence_number"},
                                               {516, "min_sequence_number"}, {517, "content"},
                                               {519, "key_metadata"}};
  EXPECT_EQ(names, expected);
}

TEST(ManifestList, RefusesWhatV2Requires) {
  for (const auto change : std::vector<void (*)(ManifestFile&)>{
           [](ManifestFile& f) { f.added_files_count.reset(); }, [](ManifestFile& f) { f.deleted_rows_count.reset(); },
           [](ManifestFile& f) { f.sequence_number = kUnassignedSequenceNumber; },
           [](ManifestFile& f) { f.min_sequence_number = kUnassignedSequenceNumber; },
           [](ManifestFile& f) { f.manifest_path.clear(); }}) {
    ManifestFile row = Row("a");
    change(row);
    EXPECT_EQ(KindOf(EncodeManifestList(77, 11, 9, {{row}}).status()), ErrorKind::kFailed);
  }
}

TEST(ManifestList, ReadsWhatOldWritersLeft) {
  // As Java wrote it before v2: other names, no numbers, counts optional.
  const char* avro = R"({"type":"record","name":"manifest_file","fields":[
    {"name":"manifest_path","type":"string","field-id":500},{"name":"manifest_length","type":"long","field-id":501},
    {"name":"partition_spec_id","type":"int","field-id":502},{"name":"added_snapshot_id","type":["null","long"],"field-id":503},
    {"name":"added_data_files_count","type":["null","int"],"field-id":504},{"name":"partitions","type":["null",{"type":"array","items":{
      "type":"record","name":"r508","fields":[{"name":"contains_null","type":"boolean","field-id":509},{"name":"lower_bound","type":["null","bytes"],"field-id":510},
      {"name":"upper_bound","type":["null","bytes"],"field-id":511}]}}],"field-id":507}]})";
  AvroFileWriter writer(avro, {});
  PutAvroBytes(writer.buffer(), "old.avro");
  for (const int64_t n : {100, 0, 0, 1, 7, 1, 1}) PutAvroLong(writer.buffer(), n);
  writer.buffer() += '\1';
  for (const int64_t n : {0, 0, 0}) PutAvroLong(writer.buffer(), n);
  ASSERT_TRUE(writer.EndObject().ok());
  const auto rows = DecodeManifestList(writer.Finish().ValueOrDie());
  ASSERT_TRUE(rows.ok()) << rows.status().ToString();
  ManifestFile expected;
  expected.manifest_path = "old.avro";
  expected.manifest_length = 100;
  expected.added_files_count = 7;
  expected.partitions = {{true, std::nullopt, std::nullopt, std::nullopt}};
  EXPECT_TRUE(rows->at(0) == expected);
}

TEST(ManifestList, AThousandManifests) {
  std::vector<ManifestFile> rows;
  for (int i = 0; i < 3'000; ++i) rows.push_back(Row(fmt::format("file:///t/metadata/{}-m0.avro", i)));
  const std::string bytes = EncodeManifestList(77, 11, 9, rows).ValueOrDie();
  EXPECT_TRUE(*DecodeManifestList(bytes) == rows);
}

}  // namespace
}  // namespace calve::iceberg
