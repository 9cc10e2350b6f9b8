#include "calve/datafile/partition_split.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "calve/datafile/testing_batches.h"

namespace calve::datafile {
namespace {

using iceberg::Literal;
using iceberg::PartitionSpec;
using iceberg::Schema;
using iceberg::Transform;
using iceberg::TransformKind;
using iceberg::Type;
using iceberg::TypeId;
using Tuple = std::vector<std::string>;

const std::vector<Transform> kTransforms = {
    {TransformKind::kIdentity, 0, ""},    {TransformKind::kBucket, 7, ""}, {TransformKind::kTruncate, 3, ""},
    {TransformKind::kTruncate, 1000, ""}, {TransformKind::kYear, 0, ""},   {TransformKind::kMonth, 0, ""},
    {TransformKind::kDay, 0, ""},         {TransformKind::kHour, 0, ""},   {TransformKind::kVoid, 0, ""}};

// Comparable, NaN included.
std::string KeyOf(const Type& type, const Literal& value) {
  return iceberg::IsNull(value) ? "null" : "=" + iceberg::ToBytes(type, value);
}

struct Expectation {
  std::map<Tuple, std::vector<int64_t>> rows;  // by partition, in order
};

Expectation BruteForce(const Schema& schema, const PartitionSpec& spec, const arrow::RecordBatch& batch,
                       const std::string& row_column) {
  Expectation expected;
  const auto rows = batch.GetColumnByName(row_column);
  for (int64_t i = 0; i < batch.num_rows(); ++i) {
    Tuple tuple;
    for (const auto& field : spec.fields) {
      const auto* source = schema.FindField(field.source_id);
      const Literal value = LiteralOf(source->type, *batch.GetColumnByName(source->name), i);
      const Type result = Must(iceberg::ResultType(field.transform, source->type));
      tuple.push_back(KeyOf(result, iceberg::ApplyTransform(field.transform, source->type, value)));
    }
    expected.rows[tuple].push_back(static_cast<const arrow::Int64Array&>(*rows).Value(i));
  }
  return expected;
}

// Splits several batches and compares rows and values with a row-by-row computation.
void ExpectSplits(const Schema& schema, const PartitionSpec& spec,
                  const std::vector<std::shared_ptr<arrow::RecordBatch>>& batches) {
  auto splitter = Must(PartitionSplitter::Make(schema, spec));
  for (const auto& batch : batches) {
    Expectation actual;
    for (const auto& part : Must(splitter->Split(batch))) {
      Tuple tuple;
      const auto values = splitter->ValuesOf(part.partition);
      ASSERT_EQ(values.size(), spec.fields.size());
      for (size_t i = 0; i < values.size(); ++i) {
        const Type& source = schema.FindField(spec.fields[i].source_id)->type;
        tuple.push_back(KeyOf(Must(iceberg::ResultType(spec.fields[i].transform, source)), values[i]));
      }
      ASSERT_FALSE(actual.rows.contains(tuple)) << "one partition under two numbers";
      for (const auto& slice : part.slices) {
        ASSERT_GT(slice->num_rows(), 0);
        Must(slice->ValidateFull());
        const auto rows = slice->GetColumnByName("row");
        for (int64_t i = 0; i < slice->num_rows(); ++i) {
          actual.rows[tuple].push_back(static_cast<const arrow::Int64Array&>(*rows).Value(i));
        }
      }
    }
    EXPECT_EQ(actual.rows, BruteForce(schema, spec, *batch, "row").rows);
  }
}

std::shared_ptr<arrow::RecordBatch> WithRowNumbers(const std::shared_ptr<arrow::RecordBatch>& batch) {
  arrow::Int64Builder builder;
  for (int64_t i = 0; i < batch->num_rows(); ++i) Must(builder.Append(i));
  return Must(
      batch->SetColumn(batch->num_columns() - 1, arrow::field("row", arrow::int64(), false), Must(builder.Finish())));
}

std::shared_ptr<arrow::RecordBatch> EncodeStrings(const std::shared_ptr<arrow::RecordBatch>& batch) {
  std::shared_ptr<arrow::RecordBatch> out = batch;
  for (int i = 0; i < batch->num_columns(); ++i) {
    if (batch->column(i)->type_id() != arrow::Type::STRING) continue;
    arrow::StringDictionary32Builder builder;
    Must(builder.AppendArray(*batch->column(i)));
    auto encoded = Must(builder.Finish());
    out = Must(out->SetColumn(i, arrow::field(batch->schema()->field(i)->name(), encoded->type()), encoded));
  }
  return out;
}

Schema PrimitiveColumns() {
  Schema schema;
  for (const auto& field : EveryType().fields) {
    if (field.type.is_primitive()) schema.fields.push_back(field);
  }
  schema.fields.push_back(Required(900, "row", Type::Of(TypeId::kLong)));
  return schema;
}

TEST(PartitionSplit, EveryTransformOfEveryTypeEqualsTheRowByRowOne) {
  const Schema schema = PrimitiveColumns();
  std::mt19937_64 random(1);
  std::vector<std::shared_ptr<arrow::RecordBatch>> batches;
  for (const int64_t rows : {400, 1, 90}) batches.push_back(WithRowNumbers(RandomBatch(schema, rows, random)));
  batches.push_back(batches[0]->Slice(17, 300));
  std::vector<std::shared_ptr<arrow::RecordBatch>> encoded;
  for (const auto& batch : batches) encoded.push_back(EncodeStrings(batch));
  int tried = 0;
  for (const auto& field : schema.fields) {
    for (const Transform& transform : kTransforms) {
      if (!iceberg::ResultType(transform, field.type).ok()) continue;
      SCOPED_TRACE(field.name + " " + transform.ToString());
      PartitionSpec spec;
      spec.fields = {{field.id, 1000, "p", transform}};
      ExpectSplits(schema, spec, batches);
      if (field.type.id == TypeId::kString) ExpectSplits(schema, spec, encoded);
      ++tried;
    }
  }
  EXPECT_GT(tried, 100);
}

TEST(PartitionSplit, TuplesOfSeveralFields) {
  const Schema schema = PrimitiveColumns();
  const auto id = [&](const char* name) { return schema.FindField(std::string_view(name))->id; };
  PartitionSpec spec;
  spec.fields = {{id("timestamptz"), 1000, "d", {TransformKind::kYear, 0, ""}},
                 {id("int"), 1001, "b", {TransformKind::kBucket, 3, ""}},
                 {id("string"), 1002, "v", {TransformKind::kVoid, 0, ""}},
                 {id("boolean"), 1003, "i", {TransformKind::kIdentity, 0, ""}}};
  std::mt19937_64 random(2);
  ExpectSplits(schema, spec,
               {WithRowNumbers(RandomBatch(schema, 700, random)), WithRowNumbers(RandomBatch(schema, 700, random))});
}

TEST(PartitionSplit, SourceInsideAStruct) {
  Schema schema;
  schema.fields = {Optional(1, "s", Type::Struct({Optional(2, "a", Type::Of(TypeId::kInt))}))};
  PartitionSpec spec;
  spec.fields = {{2, 1000, "p", {TransformKind::kIdentity, 0, ""}}};
  const auto type = arrow::struct_({arrow::field("a", arrow::int32())});
  const auto batch = OneColumn(FromJson(type, R"([{"a": 9}, {"a": 1}, null, {"a": null}, {"a": 1}])"));
  auto splitter = Must(PartitionSplitter::Make(schema, spec));
  std::map<std::string, int64_t> rows;
  for (const auto& part : Must(splitter->Split(batch->Slice(1)))) {
    for (const auto& slice : part.slices) {
      rows[KeyOf(Type::Of(TypeId::kInt), splitter->ValuesOf(part.partition)[0])] += slice->num_rows();
    }
  }
  EXPECT_EQ(rows, (std::map<std::string, int64_t>{{"null", 2}, {std::string("=\1\0\0\0", 5), 2}}));
}

TEST(PartitionSplit, ABatchInOnePartitionIsPassedOn) {
  Schema schema;
  schema.fields = {Optional(1, "c", Type::Of(TypeId::kTimestampTz))};
  PartitionSpec spec;
  spec.fields = {{1, 1000, "d", {TransformKind::kDay, 0, ""}}};
  const auto batch = OneColumn(FromJson(arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"), "[-86400000000, -5, -1]"));
  auto splitter = Must(PartitionSplitter::Make(schema, spec));
  const auto parts = Must(splitter->Split(batch));
  ASSERT_EQ(parts.size(), 1u);
  EXPECT_EQ(parts[0].slices[0].get(), batch.get());
  EXPECT_EQ(splitter->ValuesOf(parts[0].partition)[0], Literal(int32_t{-1}));
}

// 2^32 hours apart: the same int32, and yet not one partition of all that lies between.
TEST(PartitionSplit, EqualEndsOfAWrappingTransformAreNotEnough) {
  Schema schema;
  schema.fields = {Optional(1, "c", Type::Of(TypeId::kLong)), Required(2, "row", Type::Of(TypeId::kLong))};
  PartitionSpec spec;
  spec.fields = {{1, 1000, "t", {TransformKind::kTruncate, 1 << 30, ""}}};
  const auto batch = arrow::RecordBatch::Make(
      arrow::schema({arrow::field("c", arrow::int64()), arrow::field("row", arrow::int64(), false)}), 3,
      {FromJson(arrow::int64(), "[-9223372036854775808, 0, 9223372036854775807]"),
       FromJson(arrow::int64(), "[0, 1, 2]")});
  ExpectSplits(schema, spec, {batch});
}

TEST(PartitionSplit, LongRunsAreSlicesOfTheBatch) {
  Schema schema;
  schema.fields = {Optional(1, "c", Type::Of(TypeId::kInt))};
  PartitionSpec spec;
  spec.fields = {{1, 1000, "p", {TransformKind::kIdentity, 0, ""}}};
  arrow::Int32Builder builder;
  for (int i = 0; i < 9000; ++i) Must(builder.Append(i / 3000));
  const auto batch = OneColumn(Must(builder.Finish()));
  const auto parts = Must(Must(PartitionSplitter::Make(schema, spec))->Split(batch));
  ASSERT_EQ(parts.size(), 3u);
  for (const auto& part : parts) {
    EXPECT_EQ(part.slices[0]->column_data(0)->buffers[1].get(), batch->column_data(0)->buffers[1].get());
  }
}

TEST(PartitionSplit, UnknownTransformsAndSourcesAreRefused) {
  Schema schema;
  schema.fields = {Optional(1, "c", Type::Of(TypeId::kInt))};
  const auto make = [&](int source, Transform transform) {
    PartitionSpec spec;
    spec.fields = {{source, 1000, "zone", std::move(transform)}};
    return PartitionSplitter::Make(schema, spec).status();
  };
  for (const Status& status : {make(1, {TransformKind::kUnknown, 0, "zorder"}), make(1, {TransformKind::kDay, 0, ""}),
                               make(9, {TransformKind::kIdentity, 0, ""})}) {
    EXPECT_EQ(KindOf(status), ErrorKind::kUnsupported);
    EXPECT_THAT(MessageOf(status), testing::HasSubstr("zone"));
  }
  EXPECT_TRUE(make(9, {TransformKind::kVoid, 0, ""}).ok()) << "a dropped column's field is void";
}

}  // namespace
}  // namespace calve::datafile
