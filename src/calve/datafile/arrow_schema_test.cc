#include "calve/datafile/arrow_schema.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "calve/datafile/testing_batches.h"

namespace calve::datafile {
namespace {

using iceberg::Schema;
using iceberg::Type;
using iceberg::TypeId;

std::string FieldId(const arrow::Field& field) { return Must(field.metadata()->Get("PARQUET:field_id")); }

TEST(ArrowSchema, PrimitiveTypes) {
  const std::vector<std::pair<Type, std::shared_ptr<arrow::DataType>>> cases = {
      {Type::Of(TypeId::kBoolean), arrow::boolean()},
      {Type::Of(TypeId::kInt), arrow::int32()},
      {Type::Of(TypeId::kLong), arrow::int64()},
      {Type::Of(TypeId::kDate), arrow::date32()},
      {Type::Of(TypeId::kTime), arrow::time64(arrow::TimeUnit::MICRO)},
      {Type::Of(TypeId::kTimestamp), arrow::timestamp(arrow::TimeUnit::MICRO)},
      {Type::Of(TypeId::kTimestampTz), arrow::timestamp(arrow::TimeUnit::MICRO, "UTC")},
      {Type::Of(TypeId::kTimestampTzNs), arrow::timestamp(arrow::TimeUnit::NANO, "UTC")},
      {Type::Of(TypeId::kString), arrow::utf8()},
      {Type::Of(TypeId::kUuid), arrow::fixed_size_binary(16)},
      {Type::Fixed(5), arrow::fixed_size_binary(5)},
      {Type::Decimal(9, 2), arrow::decimal32(9, 2)},
      {Type::Decimal(10, 2), arrow::decimal64(10, 2)},
      {Type::Decimal(18, 2), arrow::decimal64(18, 2)},
      {Type::Decimal(19, 2), arrow::decimal128(19, 2)}};
  for (const auto& [type, expected] : cases) {
    Schema schema;
    schema.fields = {Required(7, "c", type)};
    const auto field = Must(ToArrowSchema(schema))->field(0);
    EXPECT_TRUE(field->type()->Equals(*expected)) << type.ToString() << " became " << field->type()->ToString();
    EXPECT_FALSE(field->nullable());
    EXPECT_EQ(FieldId(*field), "7");
  }
}

TEST(ArrowSchema, NestedFieldsCarryTheirIdsAndTheSpecsNames) {
  Schema schema;
  schema.fields = {Optional(1, "l", Type::List(2, true, Type::Of(TypeId::kInt))),
                   Optional(3, "m", Type::Map(4, Type::Of(TypeId::kString), 5, false, Type::Of(TypeId::kLong))),
                   Optional(6, "s", Type::Struct({Required(7, "a", Type::Of(TypeId::kDate))}))};
  const auto arrow_schema = Must(ToArrowSchema(schema));
  const auto element = arrow_schema->field(0)->type()->field(0);
  EXPECT_EQ(element->name(), "element");
  EXPECT_FALSE(element->nullable());
  EXPECT_EQ(FieldId(*element), "2");
  const auto& map = static_cast<const arrow::MapType&>(*arrow_schema->field(1)->type());
  EXPECT_EQ(map.key_field()->name(), "key");
  EXPECT_EQ(FieldId(*map.key_field()), "4");
  EXPECT_EQ(map.item_field()->name(), "value");
  EXPECT_TRUE(map.item_field()->nullable());
  EXPECT_EQ(FieldId(*map.item_field()), "5");
  EXPECT_EQ(FieldId(*arrow_schema->field(2)->type()->field(0)), "7");
}

TEST(ArrowSchema, RefusesDecimalsAndDepthsThatAreNone) {
  Schema schema;
  schema.fields = {Optional(1, "price", Type::Decimal(39, 2))};
  const Status decimal = ToArrowSchema(schema).status();
  EXPECT_EQ(KindOf(decimal), ErrorKind::kUnsupported);
  EXPECT_THAT(MessageOf(decimal), testing::HasSubstr("price"));
  Type deep = Type::Of(TypeId::kInt);
  for (int i = 0; i < 100; ++i) deep = Type::List(i + 2, false, deep);
  schema.fields = {Optional(1, "deep", deep)};
  EXPECT_EQ(KindOf(ToArrowSchema(schema).status()), ErrorKind::kUnsupported);
}

}  // namespace
}  // namespace calve::datafile
