#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <parquet/page_index.h>

#include "calve/datafile/testing_data_files.h"

namespace calve::datafile {
namespace {

using iceberg::DataFile;
using iceberg::Schema;
using iceberg::Type;
using iceberg::TypeId;

class DataFileMetricsTest : public DataFilesTest {};

TEST_F(DataFileMetricsTest, MetricsEqualBruteForce) {
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

TEST_F(DataFileMetricsTest, BoundsAreTruncatedByMode) {
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

TEST_F(DataFileMetricsTest, WithoutADefaultOnlyTheFirstColumnsHaveMetrics) {
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

TEST_F(DataFileMetricsTest, NanAndZeros) {
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

TEST_F(DataFileMetricsTest, APageIndexTellsPagesApart) {
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
