#include "calve/source/clickhouse_type.h"

#include <gtest/gtest.h>

#include <random>

namespace calve::source {
namespace {

using K = TypeKind;

ClickHouseType Parsed(std::string_view text) {
  Result<ClickHouseType> type = ParseClickHouseType(text);
  EXPECT_TRUE(type.ok()) << text << ": " << type.status().ToString();
  return type.ok() ? *type : ClickHouseType();
}

void ExpectRefused(std::string_view text) {
  const Result<ClickHouseType> type = ParseClickHouseType(text);
  ASSERT_FALSE(type.ok()) << text;
  EXPECT_EQ(KindOf(type.status()), ErrorKind::kUnsupported) << text;
}

TEST(ClickHouseType, Plain) {
  EXPECT_EQ(Parsed("UInt64").kind, K::kUInt64);
  EXPECT_EQ(Parsed("Bool").kind, K::kBool);
  EXPECT_EQ(Parsed("IPv6").kind, K::kIpv6);
  EXPECT_EQ(Parsed(" String ").text, "String");
  EXPECT_EQ(Parsed("Point").kind, K::kGeo);
  EXPECT_EQ(Parsed("IntervalSecond").kind, K::kInterval);
  EXPECT_EQ(Parsed("Nullable(Nothing)").children[0].kind, K::kNothing);
  EXPECT_EQ(Parsed("Unheard").kind, K::kOther);
  EXPECT_EQ(Parsed("Unheard(1, 'a)', (2))").kind, K::kOther);
}

TEST(ClickHouseType, Parameters) {
  const ClickHouseType decimal = Parsed("Decimal(38, 8)");
  EXPECT_EQ(decimal.kind, K::kDecimal);
  EXPECT_EQ(decimal.precision, 38);
  EXPECT_EQ(decimal.scale, 8);
  EXPECT_EQ(Parsed("Decimal64(8)").precision, 18);
  EXPECT_EQ(Parsed("Decimal256(3)").precision, 76);
  EXPECT_EQ(Parsed("FixedString(16)").length, 16);
  EXPECT_EQ(Parsed("DateTime('Asia/Tokyo')").time_zone, "Asia/Tokyo");
  const ClickHouseType time = Parsed("DateTime64(3, 'UTC')");
  EXPECT_EQ(time.precision, 3);
  EXPECT_EQ(time.time_zone, "UTC");
  EXPECT_EQ(Parsed("DateTime64(9)").precision, 9);
  EXPECT_EQ(Parsed("Time64(6)").kind, K::kTime64);
}

TEST(ClickHouseType, Enum) {
  const ClickHouseType type = Parsed(R"(Enum8('a' = -128, 'it\'s' = 0, 'x\\y' = 1, 'q''q' = 2, '' = 127))");
  EXPECT_EQ(type.kind, K::kEnum8);
  ASSERT_EQ(type.enum_values.size(), 5u);
  EXPECT_EQ(type.enum_values[0], (std::pair<std::string, int16_t>("a", -128)));
  EXPECT_EQ(type.enum_values[1].first, "it's");
  EXPECT_EQ(type.enum_values[2].first, "x\\y");
  EXPECT_EQ(type.enum_values[3].first, "q'q");
  EXPECT_EQ(type.enum_values[4], (std::pair<std::string, int16_t>("", 127)));
  EXPECT_EQ(Parsed("Enum16('a' = 32767)").enum_values[0].second, 32767);
}

TEST(ClickHouseType, Nesting) {
  const ClickHouseType map = Parsed("Map(LowCardinality(String), Array(Nullable(UInt8)))");
  EXPECT_EQ(map.kind, K::kMap);
  EXPECT_EQ(map.children[1].children[0].children[0].kind, K::kUInt8);
  EXPECT_EQ(map.children[1].text, "Array(Nullable(UInt8))");
  const ClickHouseType tuple = Parsed("Tuple(a UInt8, `b c\\`d` Tuple(String, Int8), Array(Int8))");
  EXPECT_EQ(tuple.names, (std::vector<std::string>{"a", "b c`d", ""}));
  EXPECT_EQ(tuple.children[1].names, (std::vector<std::string>{"", ""}));
  const ClickHouseType nested = Parsed("Nested(x UInt16, y String)");
  EXPECT_EQ(nested.kind, K::kNested);
  EXPECT_EQ(nested.names, (std::vector<std::string>{"x", "y"}));
  EXPECT_EQ(Parsed("Variant(UInt8, String)").children.size(), 2u);
  // As DESCRIBE lays it out.
  EXPECT_EQ(Parsed("Tuple(\n    x UInt32,\n    y String)").names[1], "y");
}

TEST(ClickHouseType, AggregateFunctions) {
  const ClickHouseType simple = Parsed("SimpleAggregateFunction(sum, Decimal(38, 8))");
  EXPECT_EQ(simple.kind, K::kSimpleAggregateFunction);
  EXPECT_EQ(simple.function, "sum");
  EXPECT_EQ(simple.children[0].precision, 38);
  EXPECT_EQ(Parsed("AggregateFunction(count)").function, "count");
  const ClickHouseType quantiles = Parsed("AggregateFunction(1, quantiles(0.5, 0.9), UInt64, String)");
  EXPECT_EQ(quantiles.kind, K::kAggregateFunction);
  EXPECT_EQ(quantiles.function, "quantiles(0.5, 0.9)");
  EXPECT_EQ(quantiles.children.size(), 2u);
}

TEST(ClickHouseType, Semistructured) {
  EXPECT_EQ(Parsed("JSON").kind, K::kJson);
  EXPECT_EQ(Parsed("JSON(max_dynamic_paths=8, a.b UInt32, SKIP `x)`)").kind, K::kJson);
  EXPECT_EQ(Parsed("Object('json')").kind, K::kObject);
  EXPECT_EQ(Parsed("Dynamic(max_types=3)").kind, K::kDynamic);
}

TEST(ClickHouseType, UnwrappedAndNullable) {
  const ClickHouseType type = Parsed("SimpleAggregateFunction(anyLast, LowCardinality(Nullable(String)))");
  EXPECT_EQ(type.Unwrapped().kind, K::kString);
  EXPECT_TRUE(type.IsNullable());
  EXPECT_FALSE(Parsed("LowCardinality(String)").IsNullable());
  EXPECT_FALSE(Parsed("Array(Nullable(String))").IsNullable());
  EXPECT_TRUE(Parsed("Nullable(UInt8)").IsNullable());
}

TEST(ClickHouseType, Refused) {
  for (const char* text : {"",
                           " ",
                           "(",
                           "UInt8)",
                           "UInt8 x",
                           "Array",
                           "Array(",
                           "Array()",
                           "Array(UInt8",
                           "Array(UInt8,String)",
                           "Map(String)",
                           "Tuple(a",
                           "Tuple(a UInt8,)",
                           "Nested(UInt8)",
                           "FixedString(0)",
                           "FixedString(99999999)",
                           "FixedString(x)",
                           "Decimal(0, 0)",
                           "Decimal(77, 0)",
                           "Decimal(9, 10)",
                           "DateTime64(10)",
                           "DateTime64(3, UTC)",
                           "DateTime('UTC",
                           "Enum8()",
                           "Enum8('a')",
                           "Enum8('a' = 128)",
                           "Enum8('a' = 1, 'b' = 1)",
                           "Enum16('a' = 40000)",
                           "SimpleAggregateFunction(sum)",
                           "AggregateFunction()",
                           "Unheard(",
                           "Unheard('",
                           "Nullable(1)",
                           "'a'"}) {
    ExpectRefused(text);
  }
}

TEST(ClickHouseType, DepthAndSizeAreLimited) {
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += "Array(";
  ExpectRefused(deep);
  std::string parentheses = "Unheard";
  parentheses.append(1'000'000, '(');
  ExpectRefused(parentheses);
  std::string wide = "Tuple(";
  for (int i = 0; i < 100'000; ++i) wide += "Int8,";
  ExpectRefused(wide + "Int8)");
  ExpectRefused(std::string(5 << 20, 'x'));
}

TEST(ClickHouseType, MutationsNeverCrash) {
  const std::string texts[] = {
      "Map(LowCardinality(String), Tuple(a Nullable(Decimal(38, 8)), `b c` DateTime64(3, 'UTC')))",
      R"(Enum8('a' = -128, 'it\'s' = 0, '\x41' = 127))",
      "AggregateFunction(1, quantiles(0.5, 'x'), Nested(x FixedString(3)))"};
  std::mt19937 random(3);
  for (const std::string& text : texts) {
    for (size_t at = 0; at < text.size(); ++at) {
      (void)ParseClickHouseType(text.substr(0, at));
      for (int round = 0; round < 60; ++round) {
        std::string mutated = text;
        mutated[at] = static_cast<char>(random());
        if (round % 3 == 0) mutated.insert(random() % mutated.size(), 1, "(),'`\\ 9"[random() % 8]);
        if (round % 5 == 0) mutated.erase(random() % mutated.size(), 1 + random() % 5);
        (void)ParseClickHouseType(mutated);
      }
    }
  }
}

}  // namespace
}  // namespace calve::source
