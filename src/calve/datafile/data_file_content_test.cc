#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "calve/datafile/testing_data_files.h"

namespace calve::datafile {
namespace {

using iceberg::DataFile;
using iceberg::Schema;
using iceberg::Type;
using iceberg::TypeId;
using testing::HasSubstr;

class DataFileContentTest : public DataFilesTest {};

// A row as people see it: written and read types differ in labels only (uuid, a decimal's width, names inside maps).
std::string TextOf(const arrow::Array& array, int64_t row) {
  if (array.IsNull(row)) return "null";
  std::string text;
  const auto add = [&](const arrow::Array& child, int64_t i) { text += TextOf(child, i) + ","; };
  switch (array.type_id()) {
    case arrow::Type::STRUCT: {
      for (const auto& field : static_cast<const arrow::StructArray&>(array).fields()) add(*field, row);
      return "{" + text + "}";
    }
    case arrow::Type::LIST:
    case arrow::Type::MAP: {
      const auto& list = static_cast<const arrow::ListArray&>(array);
      for (int64_t i = list.value_offset(row); i < list.value_offset(row + 1); ++i) add(*list.values(), i);
      return "[" + text + "]";
    }
    case arrow::Type::EXTENSION:
      return TextOf(*static_cast<const arrow::ExtensionArray&>(array).storage(), row);
    default:
      return Must(array.GetScalar(row))->ToString();
  }
}

TEST_F(DataFileContentTest, EveryTypeComesBackAsItWas) {
  const Schema schema = EveryType();
  std::mt19937_64 random(3);
  std::vector<BatchPtr> batches;
  for (const int64_t rows : {1000, 1, 3000}) batches.push_back(RandomBatch(schema, rows, random));
  batches.push_back(batches[2]->Slice(100, 1500));
  for (const char* codec : {"zstd", "gzip", "snappy", "lz4", "uncompressed"}) {
    SCOPED_TRACE(codec);
    WriterOptions options;
    options.compression = codec;
    options.page_bytes = 4096;
    std::filesystem::remove_all(folder_.path() + "/data");
    const auto files = WriteAll(schema, batches, options);
    ASSERT_EQ(files.size(), 1u);
    EXPECT_EQ(files[0].record_count, 5501);
    const auto table = ReadTable(files[0]);
    const auto expected = Must(arrow::Table::FromRecordBatches(batches));
    ASSERT_EQ(table->num_columns(), expected->num_columns());
    for (int i = 0; i < table->num_columns(); ++i) {
      const auto& name = expected->schema()->field(i)->name();
      EXPECT_EQ(table->schema()->field(i)->name(), name);
      const auto read = Must(arrow::Concatenate(table->column(i)->chunks()));
      const auto given = Must(arrow::Concatenate(expected->column(i)->chunks()));
      ASSERT_EQ(read->length(), given->length());
      for (int64_t row = 0; row < given->length(); ++row) {
        ASSERT_EQ(TextOf(*read, row), TextOf(*given, row)) << name << " " << row;
      }
    }
  }
}

TEST_F(DataFileContentTest, TheParquetSchemaIsTheSpecs) {
  Schema schema = EveryType();
  std::mt19937_64 random(4);
  const auto files = WriteAll(schema, {RandomBatch(schema, 10, random)});
  const auto reader = Open(files[0]);
  std::map<std::string, std::string> columns;
  const auto* descriptor = reader->metadata()->schema();
  for (int i = 0; i < descriptor->num_columns(); ++i) {
    const auto* column = descriptor->Column(i);
    std::string text = parquet::TypeToString(column->physical_type());
    if (column->physical_type() == parquet::Type::FIXED_LEN_BYTE_ARRAY)
      text += fmt::format("({})", column->type_length());
    columns[column->path()->ToDotString()] =
        fmt::format("{} {} #{}", text, column->logical_type()->ToString(), column->schema_node()->field_id());
    EXPECT_EQ(schema.FindField(column->schema_node()->field_id())->type.is_primitive(), true);
  }
  EXPECT_THAT(columns["int"], HasSubstr("INT32 None"));
  EXPECT_THAT(columns["date"], HasSubstr("INT32 Date"));
  EXPECT_THAT(columns["time"], HasSubstr("INT64 Time(isAdjustedToUTC=false, timeUnit=microseconds)"));
  EXPECT_THAT(columns["timestamp"], HasSubstr("INT64 Timestamp(isAdjustedToUTC=false, timeUnit=microseconds"));
  EXPECT_THAT(columns["timestamptz"], HasSubstr("INT64 Timestamp(isAdjustedToUTC=true, timeUnit=microseconds"));
  EXPECT_THAT(columns["string"], HasSubstr("BYTE_ARRAY String"));
  EXPECT_THAT(columns["binary"], HasSubstr("BYTE_ARRAY None"));
  EXPECT_THAT(columns["uuid"], HasSubstr("FIXED_LEN_BYTE_ARRAY(16) UUID"));
  EXPECT_THAT(columns["fixed"], HasSubstr("FIXED_LEN_BYTE_ARRAY(7) None"));
  EXPECT_THAT(columns["decimal_1"], HasSubstr("INT32 Decimal(precision=1, scale=0)"));
  EXPECT_THAT(columns["decimal_9"], HasSubstr("INT32 Decimal(precision=9, scale=4)"));
  EXPECT_THAT(columns["decimal_10"], HasSubstr("INT64 Decimal(precision=10, scale=5)"));
  EXPECT_THAT(columns["decimal_18"], HasSubstr("INT64 Decimal(precision=18, scale=9)"));
  EXPECT_THAT(columns["decimal_19"], HasSubstr("FIXED_LEN_BYTE_ARRAY(9) Decimal(precision=19, scale=9)"));
  EXPECT_THAT(columns["decimal_28"], HasSubstr("FIXED_LEN_BYTE_ARRAY(12) Decimal(precision=28, scale=14)"));
  EXPECT_THAT(columns["decimal_38"], HasSubstr("FIXED_LEN_BYTE_ARRAY(16) Decimal(precision=38, scale=19)"));
  EXPECT_THAT(columns["list.list.element"], HasSubstr("DOUBLE None #101"));
  EXPECT_THAT(columns["map.key_value.key"], HasSubstr("String #103"));
  EXPECT_THAT(columns["map.key_value.value"], HasSubstr("#104"));
  EXPECT_THAT(columns["struct.b"], HasSubstr("UUID #106"));
  EXPECT_THAT(columns["nested.list.element.z.key_value.value"], HasSubstr("UUID #114"));
  for (int i = 0; i < descriptor->group_node()->field_count(); ++i) {
    const auto& node = descriptor->group_node()->field(i);
    EXPECT_EQ(node->field_id(), schema.fields[i].id);
    EXPECT_EQ(node->is_required(), schema.fields[i].required) << node->name();
  }
}

TEST_F(DataFileContentTest, OnlyEncodingsThatOldReadersKnow) {
  const Schema schema = EveryType();
  std::mt19937_64 random(5);
  std::vector<BatchPtr> batches;
  for (int i = 0; i < 5; ++i) batches.push_back(RandomBatch(schema, 3000, random));
  const auto files = WriteAll(schema, batches);
  const auto metadata = Open(files[0])->metadata();
  bool any_dictionary = false, any_plain = false;
  for (int i = 0; i < metadata->num_columns(); ++i) {
    const auto chunk = metadata->RowGroup(0)->ColumnChunk(i);
    for (const auto& encoding : chunk->encoding_stats()) {
      any_plain |= encoding.encoding == parquet::Encoding::PLAIN && encoding.page_type == parquet::PageType::DATA_PAGE;
      any_dictionary |= encoding.encoding == parquet::Encoding::RLE_DICTIONARY;
      EXPECT_THAT((std::set<parquet::Encoding::type>{parquet::Encoding::PLAIN, parquet::Encoding::RLE_DICTIONARY}),
                  testing::Contains(encoding.encoding));
      EXPECT_NE(encoding.page_type, parquet::PageType::DATA_PAGE_V2);
    }
    EXPECT_EQ(chunk->compression(), parquet::Compression::ZSTD);
    EXPECT_TRUE(chunk->GetOffsetIndexLocation().has_value());
  }
  EXPECT_TRUE(any_dictionary);
  EXPECT_TRUE(any_plain);
}

TEST_F(DataFileContentTest, DictionariesOfEachBlockBecomeOneOfTheFile) {
  Schema schema;
  schema.fields = {Optional(1, "c", Type::Of(TypeId::kString))};
  std::vector<BatchPtr> batches;
  for (const char* entries : {R"(["BTC", "ETH"])", R"(["ETH", "é", "unused"])"}) {
    batches.push_back(OneColumn(Must(arrow::DictionaryArray::FromArrays(FromJson(arrow::int32(), "[1, null, 0, 1]"),
                                                                        FromJson(arrow::utf8(), entries)))));
  }
  const DataFile file = WriteAll(schema, batches).at(0);
  EXPECT_EQ(file.lower_bounds.at(1), "BTC");
  EXPECT_EQ(file.upper_bounds.at(1), "é");
  EXPECT_EQ(file.null_value_counts.at(1), 2);
  const auto column = ReadTable(file)->column(0);
  EXPECT_TRUE(Must(arrow::Concatenate(column->chunks()))
                  ->Equals(*FromJson(arrow::utf8(), R"(["ETH", null, "BTC", "ETH", "é", null, "ETH", "é"])")));
  const auto chunk = Open(file)->metadata()->RowGroup(0)->ColumnChunk(0);
  for (const auto& encoding : chunk->encoding_stats()) {
    if (encoding.page_type == parquet::PageType::DATA_PAGE) {
      EXPECT_EQ(encoding.encoding, parquet::Encoding::RLE_DICTIONARY);
    }
  }
}

}  // namespace
}  // namespace calve::datafile
