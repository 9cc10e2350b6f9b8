#include "calve/table/scan_task_json.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace calve::table {
namespace {

iceberg::DataFile NamedFile(const std::string& name, iceberg::FileContent content = iceberg::FileContent::kData) {
  iceberg::DataFile file;
  file.content = content;
  file.file_path = "file:///w/t/data/" + name;
  file.partition = {int32_t{19'944}};
  file.record_count = 3;
  file.file_size_in_bytes = 400;
  if (content == iceberg::FileContent::kEqualityDeletes) file.equality_ids = {1};
  return file;
}

iceberg::TableMetadata DaysTable() {
  iceberg::TableMetadata metadata;
  metadata.schemas = {{}};
  metadata.schemas[0].fields = {{1, "ts", true, iceberg::Type::Of(iceberg::TypeId::kTimestampTz), ""}};
  metadata.partition_specs = {{}};
  metadata.partition_specs[0].fields = {{1, 1000, "ts_day", iceberg::ParseTransform("day")}};
  return metadata;
}

TEST(ScanTaskJson, EachDeleteFileIsThereOnceAndAppliesToItsFiles) {
  const auto types = PartitionTypesOf(DaysTable());
  const auto by_position = NamedFile("p", iceberg::FileContent::kPositionDeletes);
  const auto by_value = NamedFile("e", iceberg::FileContent::kEqualityDeletes);
  const std::vector<ScanTask> tasks = {
      {NamedFile("a"), 1, {by_value}}, {NamedFile("b"), 2, {by_position, by_value}}, {NamedFile("c"), 3, {}}};
  iceberg::JsonWriter writer;
  writer.BeginObject();
  ASSERT_TRUE(WriteScanTasks(tasks, types, writer).ok());
  writer.EndObject();
  auto json = *iceberg::ParseJson(writer.text());
  EXPECT_EQ(json["delete-files"].size(), 2u);
  EXPECT_EQ(json["file-scan-tasks"][1]["delete-file-references"], (std::vector<int>{1, 0}));
  const auto read = ReadScanTasks(iceberg::JsonNode(json), types);
  ASSERT_TRUE(read.ok()) << read.status().ToString();
  ASSERT_EQ(read->size(), 3u);
  for (size_t i = 0; i < tasks.size(); ++i) {
    EXPECT_EQ((*read)[i].file.file_path, tasks[i].file.file_path);
    EXPECT_EQ((*read)[i].file.partition, tasks[i].file.partition);
    ASSERT_EQ((*read)[i].deletes.size(), tasks[i].deletes.size());
    for (size_t d = 0; d < tasks[i].deletes.size(); ++d) {
      EXPECT_EQ((*read)[i].deletes[d].file_path, tasks[i].deletes[d].file_path);
      EXPECT_EQ((*read)[i].deletes[d].content, tasks[i].deletes[d].content);
      EXPECT_EQ((*read)[i].deletes[d].equality_ids, tasks[i].deletes[d].equality_ids);
    }
  }
  json["file-scan-tasks"][1]["delete-file-references"] = {2};
  EXPECT_EQ(KindOf(ReadScanTasks(iceberg::JsonNode(json), types).status()), ErrorKind::kCorrupt);
}

}  // namespace
}  // namespace calve::table
