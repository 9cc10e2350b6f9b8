#include "calve/iceberg/data_file_json.h"

#include <gtest/gtest.h>

#include "calve/iceberg/partition_spec.h"

namespace calve::iceberg {
namespace {

PartitionTypes DayAndName() {
  return {{0, Type::Struct({})},
          {3, Type::Struct({{1000, "ts_day", false, Type::Of(TypeId::kDate), ""},
                            {1001, "name", false, Type::Of(TypeId::kString), ""},
                            {1002, "price", false, Type::Decimal(18, 4), ""}})}};
}

DataFile Whole() {
  DataFile file;
  file.spec_id = 3;
  file.file_path = "s3://lake/t/data/a \"quoted\" name.parquet";
  file.partition = {Literal(int32_t{19944}), Literal(), Literal(arrow::Decimal128(-12345))};
  file.record_count = 7, file.file_size_in_bytes = 1234;
  file.column_sizes = {{1, 50}, {2, 60}};
  file.value_counts = {{1, 7}};
  file.null_value_counts = {{1, 0}, {2, 3}};
  file.nan_value_counts = {{4, 1}};
  file.lower_bounds = {{1, std::string("\x00\xff\x7f", 3)}, {2, ""}};
  file.upper_bounds = {{1, "~"}};
  file.key_metadata = std::string("\x01", 1);
  file.split_offsets = {4, int64_t{1} << 40};
  file.sort_order_id = 2;
  return file;
}

std::string TextOf(const DataFile& file) {
  JsonWriter writer;
  const Status written = WriteDataFile(file, DayAndName(), writer);
  EXPECT_TRUE(written.ok()) << written.ToString();
  return writer.text();
}

Result<DataFile> FromText(const std::string& text) {
  ARROW_ASSIGN_OR_RAISE(const nlohmann::json root, ParseJson(text));
  return ReadDataFile(JsonNode(root), DayAndName());
}

TEST(DataFileJson, WhatWasWrittenIsRead) {
  DataFile deletes = Whole();
  deletes.content = FileContent::kEqualityDeletes;
  deletes.equality_ids = {1, 2};
  deletes.referenced_data_file = "s3://lake/t/data/b.parquet";
  deletes.first_row_id = 1, deletes.content_offset = 2, deletes.content_size_in_bytes = 3;
  DataFile plain;
  plain.file_path = "/a";
  for (const DataFile& file : {Whole(), deletes, plain}) {
    const std::string text = TextOf(file);
    auto read = FromText(text);
    ASSERT_TRUE(read.ok()) << read.status().ToString();
    EXPECT_EQ(TextOf(*read), text);
    EXPECT_EQ(read->partition, file.partition);
    EXPECT_EQ(read->lower_bounds, file.lower_bounds);
    EXPECT_EQ(read->content, file.content);
    EXPECT_EQ(read->key_metadata, file.key_metadata);
    EXPECT_EQ(read->split_offsets, file.split_offsets);
    EXPECT_EQ(read->equality_ids, file.equality_ids);
    EXPECT_EQ(read->content_size_in_bytes, file.content_size_in_bytes);
  }
}

TEST(DataFileJson, ItsMembersAreTheRestCatalogs) {
  EXPECT_EQ(TextOf(Whole()).find("{\"spec-id\":3,\"content\":\"DATA\",\"file-path\":"), 0u);
  EXPECT_NE(TextOf(Whole()).find("\"partition\":{\"1000\":\"e84d0000\",\"1001\":null,\"1002\":\"cfc7\"}"),
            std::string::npos)
      << TextOf(Whole());
  EXPECT_NE(TextOf(Whole()).find("\"lower-bounds\":{\"keys\":[1,2],\"values\":[\"00ff7f\",\"\"]}"), std::string::npos);
}

TEST(DataFileJson, WhatDoesNotFitIsRefused) {
  const std::string text = TextOf(Whole());
  const std::pair<std::string, std::string> changes[] = {
      {"\"spec-id\":3", "\"spec-id\":4"},
      {"\"spec-id\":3", "\"spec-id\":0"},
      {"\"DATA\"", "\"data\""},
      {"e84d0000", "e84d00"},
      {"e84d0000", "e84d000g"},
      {"\"1001\":null", "\"1003\":null"},
      {"\"record-count\":7", "\"record-count\":-7"},
      {"\"keys\":[1,2]", "\"keys\":[1]"},
      {"\"file-path\"", "\"file_path\""},
  };
  for (const auto& [from, to] : changes) {
    std::string bad = text;
    ASSERT_NE(bad.find(from), std::string::npos) << from;
    bad.replace(bad.find(from), from.size(), to);
    EXPECT_EQ(KindOf(FromText(bad).status()), ErrorKind::kCorrupt) << to;
  }
  DataFile file = Whole();
  file.partition[0] = Literal(int64_t{1});
  JsonWriter writer;
  EXPECT_EQ(KindOf(WriteDataFile(file, DayAndName(), writer)), ErrorKind::kFailed);
}

}  // namespace
}  // namespace calve::iceberg
