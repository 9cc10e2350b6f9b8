#include "calve/iceberg/partition_spec.h"

#include <gtest/gtest.h>

#include "calve/iceberg/partition_path.h"

namespace calve::iceberg {
namespace {

using arrow::Decimal128;
using namespace std::string_literals;

Schema Trades() {
  Schema schema;
  schema.fields = {{0, "exchange_timestamp", true, Type::Of(TypeId::kTimestampTz), ""},
                   {0, "exchange", true, Type::Of(TypeId::kString), ""},
                   {0, "id", true, Type::Of(TypeId::kLong), ""},
                   {0, "price", false, Type::Decimal(18, 8), ""},
                   {0, "payload", false, Type::Of(TypeId::kBinary), ""},
                   {0, "ratio", false, Type::Of(TypeId::kDouble), ""},
                   {0, "place", false, Type::Struct({{0, "city", false, Type::Of(TypeId::kString), ""}}), ""},
                   {0, "tags", false, Type::List(0, false, Type::Of(TypeId::kString)), ""},
                   {0, "day", false, Type::Of(TypeId::kDate), ""}};
  AssignFreshIds(schema.fields, 1);
  return schema;
}

TEST(PartitionTerm, SpellingsAndNames) {
  Schema schema = Trades();
  struct Case {
    const char* term;
    const char* name;
    const char* transform;
    int source_id;
  };
  for (const Case& c :
       {Case{"days(exchange_timestamp)", "exchange_timestamp_day", "day", 1},
        Case{"day(exchange_timestamp)", "exchange_timestamp_day", "day", 1},
        Case{" Days ( exchange_timestamp ) ", "exchange_timestamp_day", "day", 1},
        Case{"years(day)", "day_year", "year", 9},
        Case{"months(exchange_timestamp)", "exchange_timestamp_month", "month", 1},
        Case{"hours(exchange_timestamp)", "exchange_timestamp_hour", "hour", 1},
        Case{"bucket(16, id)", "id_bucket", "bucket[16]", 3}, Case{"bucket(id, 16)", "id_bucket", "bucket[16]", 3},
        Case{"truncate(4, exchange)", "exchange_trunc", "truncate[4]", 2}, Case{"exchange", "exchange", "identity", 2},
        Case{"identity(exchange)", "exchange", "identity", 2}, Case{"`exchange`", "exchange", "identity", 2},
        Case{"void(id)", "id_null", "void", 3}, Case{"place.city", "place.city", "identity", 10},
        Case{"day", "day", "identity", 9}}) {
    auto field = ParsePartitionTerm(c.term, schema);
    ASSERT_TRUE(field.ok()) << c.term << ": " << field.status().ToString();
    EXPECT_EQ(field->name, c.name);
    EXPECT_EQ(field->transform.ToString(), c.transform);
    EXPECT_EQ(field->source_id, c.source_id);
  }
}

void ExpectTermError(const char* term, const char* message, const char* remedy) {
  auto field = ParsePartitionTerm(term, Trades());
  ASSERT_FALSE(field.ok()) << term;
  EXPECT_EQ(KindOf(field.status()), ErrorKind::kConfig) << term;
  EXPECT_NE(MessageOf(field.status()).find(message), std::string::npos) << MessageOf(field.status());
  EXPECT_NE(RemedyOf(field.status()).find(remedy), std::string::npos) << RemedyOf(field.status());
}

TEST(PartitionTerm, ErrorsTeach) {
  ExpectTermError("days(exchange_timestmap)", "did you mean 'exchange_timestamp'?", "exchange, id, price");
  ExpectTermError("Exchange", "did you mean 'exchange'?", "exchange_timestamp");
  ExpectTermError("weeks(exchange_timestamp)", "no transform 'weeks'", "days(c)");
  ExpectTermError("days(exchange)", "does not apply to type string", "bucket(N, c)");
  ExpectTermError("identity(tags)", "list<string>", "");
  ExpectTermError("tags.element", "tags.element", "");
  ExpectTermError("bucket(id)", "a positive number and a column", "bucket(N, c)");
  ExpectTermError("bucket(0, id)", "a positive number", "");
  ExpectTermError("bucket(16)", "a positive number and a column", "");
  ExpectTermError("truncate(4, price, 5)", "price, 5", "");
  ExpectTermError("days(exchange_timestamp", "closing )", "");
  ExpectTermError("days()", "takes one column", "");
  ExpectTermError("days(a, b)", "takes one column", "");
  ExpectTermError("", "expected", "");
  ExpectTermError("zzzzzzzzzzzzzz", "which the table does not have", "exchange");
}

TEST(PartitionTerm, NameOfAnotherColumnIsRefused) {
  Schema schema = Trades();
  schema.fields.push_back({20, "id_bucket", false, Type::Of(TypeId::kInt), ""});
  EXPECT_FALSE(ParsePartitionTerm("bucket(16, id)", schema).ok());
}

PartitionSpec Spec(std::initializer_list<const char*> terms) {
  PartitionSpec spec;
  for (const char* term : terms) {
    spec.fields.push_back(*ParsePartitionTerm(term, Trades()));
    spec.fields.back().field_id = kFirstPartitionFieldId + static_cast<int>(spec.fields.size()) - 1;
  }
  return spec;
}

TEST(PartitionType, HasTheSpecsIdsAndOptionalFields) {
  auto type = PartitionType(Spec({"days(exchange_timestamp)", "exchange", "bucket(4, id)"}), Trades());
  ASSERT_TRUE(type.ok());
  EXPECT_EQ(type->ToString(),
            "struct<1000: exchange_timestamp_day: date, 1001: exchange: string, 1002: id_bucket: int>");
  EXPECT_FALSE(type->fields[0].required);
}

TEST(PartitionType, SurvivesADroppedSource) {
  PartitionSpec spec = Spec({"days(exchange_timestamp)", "void(id)", "bucket(4, id)"});
  auto type = PartitionType(spec, Schema{});
  ASSERT_TRUE(type.ok());
  EXPECT_EQ(type->fields[0].type.id, TypeId::kDate);
  EXPECT_EQ(type->fields[2].type.id, TypeId::kInt);
  EXPECT_EQ(KindOf(PartitionType(Spec({"exchange"}), Schema{}).status()), ErrorKind::kCorrupt);
}

TEST(PartitionSpec, OnlyVoidFieldsIsUnpartitioned) {
  EXPECT_TRUE(PartitionSpec{}.is_unpartitioned());
  EXPECT_TRUE(Spec({"void(id)"}).is_unpartitioned());
  EXPECT_FALSE(Spec({"void(id)", "exchange"}).is_unpartitioned());
}

std::string Path(const char* term, const Literal& value) { return PartitionPath(Spec({term}), Trades(), {value}); }

// The texts of Java's PartitionSpec.partitionToPath.
TEST(PartitionPath, IsJavas) {
  EXPECT_EQ(PartitionPath(Spec({"days(exchange_timestamp)", "exchange"}), Trades(), {int32_t{19944}, "kraken"s}),
            "exchange_timestamp_day=2024-08-09/exchange=kraken");
  EXPECT_EQ(PartitionPath(PartitionSpec{}, Trades(), {}), "");
  EXPECT_EQ(Path("exchange", {}), "exchange=null");
  EXPECT_EQ(Path("exchange", "a/b c=ü%*~"s), "exchange=a%2Fb+c%3D%C3%BC%25*%7E");
  EXPECT_EQ(Path("exchange", ""s), "exchange=");
  EXPECT_EQ(Path("hours(exchange_timestamp)", int32_t{419686}), "exchange_timestamp_hour=2017-11-16-22");
  EXPECT_EQ(Path("hours(exchange_timestamp)", int32_t{-1}), "exchange_timestamp_hour=1969-12-31-23");
  EXPECT_EQ(Path("months(exchange_timestamp)", int32_t{574}), "exchange_timestamp_month=2017-11");
  EXPECT_EQ(Path("months(exchange_timestamp)", int32_t{-1}), "exchange_timestamp_month=1969-12");
  EXPECT_EQ(Path("years(exchange_timestamp)", int32_t{47}), "exchange_timestamp_year=2017");
  EXPECT_EQ(Path("days(exchange_timestamp)", int32_t{-1}), "exchange_timestamp_day=1969-12-31");
  EXPECT_EQ(Path("bucket(16, id)", int32_t{3}), "id_bucket=3");
  EXPECT_EQ(Path("exchange_timestamp", int64_t{1'510'871'468'000'001}),
            "exchange_timestamp=2017-11-16T22%3A31%3A08.000001%2B00%3A00");
  EXPECT_EQ(Path("payload", "\0\1\2\3"s), "payload=AAECAw%3D%3D");
  EXPECT_EQ(Path("payload", "abc"s), "payload=YWJj");
  EXPECT_EQ(Path("void(id)", {}), "id_null=null");
}

TEST(PartitionPath, NumbersPrintAsInJava) {
  EXPECT_EQ(Path("price", Decimal128(150'000'000)), "price=1.50000000");
  EXPECT_EQ(Path("price", Decimal128(100)), "price=0.00000100");
  EXPECT_EQ(Path("price", Decimal128(1)), "price=1E-8");
  EXPECT_EQ(Path("price", Decimal128(-12)), "price=-1.2E-7");
  EXPECT_EQ(Path("ratio", 1.0), "ratio=1.0");
  EXPECT_EQ(Path("ratio", 0.5), "ratio=0.5");
  EXPECT_EQ(Path("ratio", -0.0), "ratio=-0.0");
  EXPECT_EQ(Path("ratio", 1e7), "ratio=1.0E7");
  EXPECT_EQ(Path("ratio", 9999999.0), "ratio=9999999.0");
  EXPECT_EQ(Path("ratio", 1.25e-5), "ratio=1.25E-5");
  EXPECT_EQ(Path("ratio", std::numeric_limits<double>::infinity()), "ratio=Infinity");
}

}  // namespace
}  // namespace calve::iceberg
