#include "calve/datafile/data_file_writer.h"

#include <arrow/compute/api_vector.h>
#include <arrow/io/file.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <parquet/arrow/reader.h>
#include <parquet/file_reader.h>
#include <parquet/page_index.h>

#include <filesystem>
#include <set>

#include "calve/datafile/testing_batches.h"
#include "calve/datafile/written_arrays.h"
#include "calve/storage/fault_injection.h"
#include "calve/storage/testing_temp_dir.h"

namespace calve::datafile {
namespace {

using iceberg::DataFile;
using iceberg::Schema;
using iceberg::TransformKind;
using iceberg::Type;
using iceberg::TypeId;
using testing::HasSubstr;
using BatchPtr = std::shared_ptr<arrow::RecordBatch>;

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

class DataFileWriterTest : public testing::Test {
 protected:
  DataFileWriterTest() : file_io_(Must(storage::OpenFileIO(folder_.path()))) {}

  std::unique_ptr<DataFileWriter> MakeWriter(const Schema& schema, const std::shared_ptr<arrow::Schema>& batch_schema,
                                             const WriterOptions& options, const iceberg::PartitionSpec& spec = {}) {
    return Must(
        DataFileWriter::Make(*file_io_, {schema, spec, folder_.path() + "/data", "abc"}, options, batch_schema));
  }

  std::vector<DataFile> WriteAll(const Schema& schema, const std::vector<BatchPtr>& batches,
                                 const WriterOptions& options = {}, const iceberg::PartitionSpec& spec = {}) {
    auto writer = MakeWriter(schema, batches.at(0)->schema(), options, spec);
    for (const BatchPtr& batch : batches) Must(writer->Write(batch));
    auto files = Must(writer->Finish());
    int64_t bytes = 0;
    for (const DataFile& file : files) bytes += file.file_size_in_bytes;
    EXPECT_EQ(writer->bytes_written(), bytes);
    return files;
  }

  static std::shared_ptr<arrow::Table> ReadTable(const DataFile& file) {
    auto input = Must(arrow::io::ReadableFile::Open(file.file_path));
    auto reader = Must(parquet::arrow::OpenFile(input, arrow::default_memory_pool()));
    return Must(reader->ReadTable());
  }

  static std::unique_ptr<parquet::ParquetFileReader> Open(const DataFile& file) {
    return parquet::ParquetFileReader::OpenFile(file.file_path);
  }

  std::vector<std::string> FilesOnDisk() const {
    std::vector<std::string> files;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_.path())) {
      if (entry.is_regular_file()) files.push_back(entry.path());
    }
    return files;
  }

  storage::TempDir folder_;
  std::unique_ptr<storage::FileIO> file_io_;
};

iceberg::PartitionSpec SpecOf(int source_id, TransformKind kind, int param = 0) {
  iceberg::PartitionSpec spec;
  spec.spec_id = 3;
  spec.fields = {{source_id, 1000, "p", {kind, param, ""}}};
  return spec;
}

BatchPtr Numbers(int64_t begin, int64_t count) {
  arrow::Int64Builder builder;
  for (int64_t i = 0; i < count; ++i) Must(builder.Append(begin + i));
  return OneColumn(Must(builder.Finish()));
}

Schema OneLong() {
  Schema schema;
  schema.fields = {Optional(1, "c", Type::Of(TypeId::kLong))};
  return schema;
}

TEST_F(DataFileWriterTest, EveryTypeComesBackAsItWas) {
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

TEST_F(DataFileWriterTest, TheParquetSchemaIsTheSpecs) {
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

TEST_F(DataFileWriterTest, OnlyEncodingsThatOldReadersKnow) {
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

TEST_F(DataFileWriterTest, MetricsEqualBruteForce) {
  const Schema schema = EveryType();
  std::mt19937_64 random(6);
  std::vector<BatchPtr> batches;
  for (int i = 0; i < 4; ++i) batches.push_back(RandomBatch(schema, 500, random));
  WriterOptions options;
  options.metrics_modes[""] = "full";
  options.row_group_bytes = 60'000;
  const auto files = WriteAll(schema, batches, options);
  ASSERT_EQ(files.size(), 1u);
  const DataFile& file = files[0];
  ASSERT_GT(file.split_offsets.size(), 1u);
  EXPECT_EQ(file.split_offsets[0], 4);
  EXPECT_TRUE(std::is_sorted(file.split_offsets.begin(), file.split_offsets.end()));
  EXPECT_EQ(file.file_size_in_bytes, static_cast<int64_t>(std::filesystem::file_size(file.file_path)));
  for (size_t column = 0; column < schema.fields.size(); ++column) {
    const auto& field = schema.fields[column];
    if (!field.type.is_primitive()) continue;
    SCOPED_TRACE(field.name);
    int64_t nulls = 0, nans = 0;
    iceberg::Literal lower, upper;
    for (const BatchPtr& batch : batches) {
      for (int64_t row = 0; row < batch->num_rows(); ++row) {
        const auto value = LiteralOf(field.type, *batch->column(static_cast<int>(column)), row);
        nulls += iceberg::IsNull(value);
        const auto* f = std::get_if<float>(&value);
        const auto* d = std::get_if<double>(&value);
        const bool is_nan = (f && std::isnan(*f)) || (d && std::isnan(*d));
        nans += is_nan;
        if (iceberg::IsNull(value) || is_nan) continue;
        if (iceberg::IsNull(lower) || iceberg::CompareLiterals(value, lower) < 0) lower = value;
        if (iceberg::IsNull(upper) || iceberg::CompareLiterals(value, upper) > 0) upper = value;
      }
    }
    EXPECT_EQ(file.value_counts.at(field.id), 2000);
    EXPECT_EQ(file.null_value_counts.at(field.id), nulls);
    EXPECT_GT(file.column_sizes.at(field.id), 0);
    const bool is_floating = field.type.id == TypeId::kFloat || field.type.id == TypeId::kDouble;
    EXPECT_EQ(file.nan_value_counts.contains(field.id), is_floating);
    if (is_floating) {
      EXPECT_EQ(file.nan_value_counts.at(field.id), nans);
    }
    EXPECT_EQ(file.lower_bounds.at(field.id), iceberg::ToBytes(field.type, lower));
    EXPECT_EQ(file.upper_bounds.at(field.id), iceberg::ToBytes(field.type, upper));
  }
  for (const int repeated : {101, 102, 103, 104, 109, 111}) {
    EXPECT_TRUE(file.value_counts.contains(repeated));
    EXPECT_FALSE(file.lower_bounds.contains(repeated));
  }
  EXPECT_TRUE(file.lower_bounds.contains(105)) << "a struct's field has bounds";
  int64_t nans = 0, nulls = 0, values = 0;
  for (const BatchPtr& batch : batches) {
    const auto& list = static_cast<const arrow::ListArray&>(*batch->GetColumnByName("list"));
    const auto& elements = static_cast<const arrow::DoubleArray&>(*list.values());
    for (int64_t i = 0; i < elements.length(); ++i) nans += elements.IsValid(i) && std::isnan(elements.Value(i));
    values += elements.length() - elements.null_count();
    nulls += file.null_value_counts.at(101);
  }
  EXPECT_EQ(file.nan_value_counts.at(101), nans);
  EXPECT_EQ(file.value_counts.at(101) - file.null_value_counts.at(101), values);
}

TEST_F(DataFileWriterTest, BoundsAreTruncatedByMode) {
  Schema schema;
  const Type text = Type::Of(TypeId::kString);
  for (int i = 1; i <= 5; ++i) schema.fields.push_back(Optional(i, "c" + std::to_string(i), text));
  const std::string low = "éééééééééééééééééééé";  // 20 code points
  const std::string high(20, 'z');
  const auto values = FromJson(arrow::utf8(), fmt::format(R"(["{}", "{}", null])", low, high));
  const auto batch =
      arrow::RecordBatch::Make(arrow::schema({arrow::field("c1", arrow::utf8()), arrow::field("c2", arrow::utf8()),
                                              arrow::field("c3", arrow::utf8()), arrow::field("c4", arrow::utf8()),
                                              arrow::field("c5", arrow::utf8())}),
                               3, {values, values, values, values, FromJson(arrow::utf8(), "[null, null, null]")});
  WriterOptions options;
  options.metrics_modes = {{"c2", "none"}, {"c3", "counts"}, {"c4", "truncate(3)"}};
  const DataFile file = WriteAll(schema, {batch}, options).at(0);
  EXPECT_EQ(file.lower_bounds.at(1), std::string(15, 'z') + "z");
  EXPECT_EQ(file.upper_bounds.at(1), iceberg::TruncateUpper(text, low, 16));
  EXPECT_EQ(file.lower_bounds.at(4), "zzz");
  EXPECT_EQ(file.upper_bounds.at(4), "ééê");
  EXPECT_EQ(file.value_counts.contains(2), false);
  EXPECT_EQ(file.column_sizes.contains(2), false);
  EXPECT_EQ(file.value_counts.at(3), 3);
  EXPECT_EQ(file.lower_bounds.contains(3), false);
  EXPECT_EQ(file.null_value_counts.at(5), 3);
  EXPECT_EQ(file.lower_bounds.contains(5), false);
}

TEST_F(DataFileWriterTest, WithoutADefaultOnlyTheFirstColumnsHaveMetrics) {
  Schema schema;
  arrow::FieldVector fields;
  arrow::ArrayVector columns;
  for (int i = 1; i <= 5; ++i) {
    schema.fields.push_back(Optional(i, "c" + std::to_string(i), Type::Of(TypeId::kLong)));
    fields.push_back(arrow::field("c" + std::to_string(i), arrow::int64()));
    columns.push_back(FromJson(arrow::int64(), "[1]"));
  }
  WriterOptions options;
  options.metrics_inferred_columns_max = 2;
  const auto batch = arrow::RecordBatch::Make(arrow::schema(fields), 1, columns);
  EXPECT_THAT(WriteAll(schema, {batch}, options).at(0).value_counts,
              testing::ElementsAre(testing::Pair(1, 1), testing::Pair(2, 1)));
}

TEST_F(DataFileWriterTest, NanAndZeros) {
  Schema schema;
  schema.fields = {Optional(1, "nan", Type::Of(TypeId::kDouble)), Optional(2, "zero", Type::Of(TypeId::kDouble))};
  const auto batch = arrow::RecordBatch::Make(
      arrow::schema({arrow::field("nan", arrow::float64()), arrow::field("zero", arrow::float64())}), 2,
      {FromJson(arrow::float64(), "[NaN, NaN]"), FromJson(arrow::float64(), "[0.0, 0.0]")});
  const DataFile file = WriteAll(schema, {batch}).at(0);
  EXPECT_EQ(file.nan_value_counts.at(1), 2);
  EXPECT_FALSE(file.lower_bounds.contains(1));
  EXPECT_EQ(file.lower_bounds.at(2), iceberg::ToBytes(Type::Of(TypeId::kDouble), iceberg::Literal(-0.0)));
  EXPECT_EQ(file.upper_bounds.at(2), iceberg::ToBytes(Type::Of(TypeId::kDouble), iceberg::Literal(0.0)));
}

TEST_F(DataFileWriterTest, DictionariesOfEachBlockBecomeOneOfTheFile) {
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

TEST_F(DataFileWriterTest, RowsOfAPartitionStayInOrderInTheirOwnFile) {
  Schema schema;
  schema.fields = {Optional(1, "k", Type::Of(TypeId::kString)), Required(2, "n", Type::Of(TypeId::kLong))};
  std::mt19937_64 random(7);
  std::vector<BatchPtr> batches;
  std::map<std::string, std::vector<int64_t>> expected;
  int64_t n = 0;
  for (int b = 0; b < 5; ++b) {
    arrow::StringBuilder keys;
    arrow::Int64Builder numbers;
    for (int i = 0; i < 2000; ++i) {
      const std::string key = std::string(1, static_cast<char>('a' + random() % 7));
      expected[key].push_back(n);
      Must(keys.Append(key));
      Must(numbers.Append(n++));
    }
    batches.push_back(arrow::RecordBatch::Make(
        arrow::schema({arrow::field("k", arrow::utf8()), arrow::field("n", arrow::int64(), false)}), 2000,
        {Must(keys.Finish()), Must(numbers.Finish())}));
  }
  const auto files = WriteAll(schema, batches, {}, SpecOf(1, TransformKind::kIdentity));
  EXPECT_EQ(files.size(), expected.size());
  for (size_t i = 0; i < files.size(); ++i) {
    const std::string key = std::get<std::string>(files[i].partition.at(0));
    EXPECT_EQ(files[i].file_path, fmt::format("{}/data/p={}/abc-{:05}.parquet", folder_.path(), key, i));
    EXPECT_EQ(files[i].spec_id, 3);
    EXPECT_EQ(files[i].sort_order_id, 0);
    const auto numbers = Must(arrow::Concatenate(ReadTable(files[i])->column(1)->chunks()));
    std::vector<int64_t> read(numbers->length());
    for (size_t row = 0; row < read.size(); ++row)
      read[row] = static_cast<const arrow::Int64Array&>(*numbers).Value(row);
    EXPECT_EQ(read, expected[key]);
  }
}

TEST_F(DataFileWriterTest, FilesRollAtTheTargetSize) {
  std::mt19937_64 random(8);
  std::vector<BatchPtr> batches;
  for (int b = 0; b < 20; ++b) {
    arrow::Int64Builder builder;
    for (int i = 0; i < 10'000; ++i) Must(builder.Append(static_cast<int64_t>(random())));
    batches.push_back(OneColumn(Must(builder.Finish())));
  }
  WriterOptions options;
  options.target_file_bytes = 400'000;
  options.row_group_bytes = 150'000;
  options.page_bytes = 20'000;
  const auto files = WriteAll(OneLong(), batches, options);
  ASSERT_GE(files.size(), 4u);
  ASSERT_LE(files.size(), 7u);
  int64_t rows = 0;
  for (const DataFile& file : files) {
    rows += file.record_count;
    const auto metadata = Open(file)->metadata();
    for (int group = 0; group < metadata->num_row_groups(); ++group) {
      EXPECT_GT(metadata->RowGroup(group)->num_rows(), 0);
      EXPECT_LT(metadata->RowGroup(group)->total_byte_size(), 400'000);
    }
    EXPECT_EQ(file.split_offsets.size(), static_cast<size_t>(metadata->num_row_groups()));
  }
  EXPECT_EQ(rows, 200'000);
}

TEST_F(DataFileWriterTest, ManyInterleavedPartitionsStayWithinTheirMemory) {
  Schema schema = OneLong();
  schema.fields.push_back(Required(2, "n", Type::Of(TypeId::kLong)));
  constexpr int64_t kPartitions = 1000, kRows = 20'000;
  WriterOptions options;
  options.memory_bytes = 24 << 20;
  const auto arrow_schema =
      arrow::schema({arrow::field("c", arrow::int64()), arrow::field("n", arrow::int64(), false)});
  auto writer = MakeWriter(schema, arrow_schema, options, SpecOf(1, TransformKind::kIdentity));
  const int64_t before = arrow::default_memory_pool()->bytes_allocated();
  int64_t peak = 0;
  std::mt19937_64 random(9);
  for (int b = 0; b < 20; ++b) {
    arrow::Int64Builder keys, numbers;
    for (int64_t i = 0; i < kRows; ++i) {
      Must(keys.Append(static_cast<int64_t>(random() % kPartitions)));
      Must(numbers.Append(static_cast<int64_t>(random())));
    }
    Must(writer->Write(arrow::RecordBatch::Make(arrow_schema, kRows, {Must(keys.Finish()), Must(numbers.Finish())})));
    peak = std::max(peak, arrow::default_memory_pool()->bytes_allocated() - before);
  }
  EXPECT_LE(peak, options.memory_bytes + (4 << 20));
  const auto files = Must(writer->Finish());
  int64_t rows = 0;
  std::set<int64_t> partitions;
  for (const DataFile& file : files) {
    rows += file.record_count;
    partitions.insert(std::get<int64_t>(file.partition.at(0)));
  }
  EXPECT_EQ(rows, 20 * kRows);
  EXPECT_EQ(partitions.size(), static_cast<size_t>(kPartitions));
}

TEST_F(DataFileWriterTest, InterleavedPartitionsThatFitAreOneFileEach) {
  Schema schema = OneLong();
  auto writer = MakeWriter(schema, Numbers(0, 1)->schema(), {}, SpecOf(1, TransformKind::kBucket, 300));
  for (int b = 0; b < 5; ++b) Must(writer->Write(Numbers(b * 5000, 5000)));
  EXPECT_EQ(FilesOnDisk().size(), 0u) << "nothing is opened before it has to be written";
  EXPECT_EQ(Must(writer->Finish()).size(), 300u);
}

TEST_F(DataFileWriterTest, OpenFilesAreLimited) {
  Schema schema = OneLong();
  WriterOptions options;
  options.open_files_max = 2;
  options.row_group_bytes = 1;  // every batch goes to the store
  auto writer = MakeWriter(schema, Numbers(0, 1)->schema(), options, SpecOf(1, TransformKind::kBucket, 8));
  for (int b = 0; b < 6; ++b) Must(writer->Write(Numbers(b * 1000, 1000)));
  int64_t rows = 0;
  const auto files = Must(writer->Finish());
  for (const DataFile& file : files) rows += file.record_count;
  EXPECT_EQ(rows, 6000);
  EXPECT_GT(files.size(), 8u);
}

TEST_F(DataFileWriterTest, NoRowsNoFiles) {
  EXPECT_TRUE(WriteAll(OneLong(), {Numbers(0, 0)}).empty());
  EXPECT_TRUE(FilesOnDisk().empty());
}

TEST_F(DataFileWriterTest, AbortAndDestructionLeaveNothing) {
  WriterOptions options;
  options.target_file_bytes = 20'000;
  options.row_group_bytes = 10'000;
  for (const bool abort : {true, false}) {
    auto writer = MakeWriter(OneLong(), Numbers(0, 1)->schema(), options);
    for (int b = 0; b < 10; ++b) Must(writer->Write(Numbers(b, 10'000)));
    EXPECT_FALSE(FilesOnDisk().empty());
    if (abort) Must(writer->Abort());
    writer.reset();
    EXPECT_TRUE(FilesOnDisk().empty());
  }
}

TEST_F(DataFileWriterTest, AFailingStoreFailsTheWriterWithItsOwnError) {
  for (const auto point :
       {storage::FaultPoint::kOpenOutput, storage::FaultPoint::kOutputWrite, storage::FaultPoint::kOutputClose}) {
    SCOPED_TRACE(storage::FaultPointName(point));
    storage::FaultInjectingFileIO faulty(*file_io_);
    auto writer = Must(
        DataFileWriter::Make(faulty, {OneLong(), {}, folder_.path() + "/data", "abc"}, {}, Numbers(0, 1)->schema()));
    storage::Fault fault;
    fault.point = point;
    fault.times = -1;
    fault.status = MakeError(ErrorKind::kConfig, "the disk is full", "Make room.");
    faulty.Inject(fault);
    Must(writer->Write(Numbers(0, 100)));
    const Status status = writer->Finish().status();
    EXPECT_EQ(KindOf(status), ErrorKind::kConfig) << status.ToString();
    EXPECT_EQ(RemedyOf(status), "Make room.");
    EXPECT_FALSE(writer->Write(Numbers(0, 1)).ok());
    EXPECT_FALSE(writer->Finish().ok());
    faulty.Clear();
    Must(writer->Abort());
    EXPECT_TRUE(FilesOnDisk().empty());
  }
}

TEST_F(DataFileWriterTest, BatchesOfAnotherSchemaAreRefused) {
  auto writer = MakeWriter(OneLong(), Numbers(0, 1)->schema(), {});
  EXPECT_FALSE(writer->Write(OneColumn(FromJson(arrow::int32(), "[1]"))).ok());
  Must(writer->Write(Numbers(0, 1)));
  EXPECT_EQ(Must(writer->Finish()).size(), 1u);
}

TEST_F(DataFileWriterTest, APageIndexTellsPagesApart) {
  WriterOptions options;
  options.page_rows_max = 1000;
  const DataFile file = WriteAll(OneLong(), {Numbers(0, 10'000)}, options).at(0);
  const auto reader = Open(file);
  const auto index = reader->GetPageIndexReader()->RowGroup(0)->GetColumnIndex(0);
  ASSERT_NE(index, nullptr);
  EXPECT_EQ(index->null_pages().size(), 10u);
  EXPECT_EQ(static_cast<const parquet::Int64ColumnIndex&>(*index).min_values()[3], 3000);
}

}  // namespace
}  // namespace calve::datafile
