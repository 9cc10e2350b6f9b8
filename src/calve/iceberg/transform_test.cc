#include "calve/iceberg/transform.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace calve::iceberg {
namespace {

using arrow::Decimal128;
using namespace std::string_literals;

constexpr int64_t kTimestamp = 1'510'871'468'000'000;  // 2017-11-16T22:31:08Z

Type Of(TypeId id) { return Type::Of(id); }

// The spec's test values, appendix B.
TEST(Hash, IsAppendixB) {
  EXPECT_EQ(HashLiteral(Of(TypeId::kInt), int32_t{34}), 2017239379);
  EXPECT_EQ(HashLiteral(Of(TypeId::kLong), int64_t{34}), 2017239379);
  EXPECT_EQ(HashLong(34), 2017239379);
  EXPECT_EQ(HashLiteral(Type::Decimal(9, 2), Decimal128(1420)), -500754589);
  EXPECT_EQ(HashLiteral(Of(TypeId::kDate), int32_t{17486}), -653330422);
  EXPECT_EQ(HashLiteral(Of(TypeId::kTime), int64_t{81'068'000'000}), -662762989);
  for (TypeId id : {TypeId::kTimestamp, TypeId::kTimestampTz}) {
    EXPECT_EQ(HashLiteral(Of(id), kTimestamp), -2047944441);
    EXPECT_EQ(HashLiteral(Of(id), kTimestamp + 1), -1207196810);
  }
  for (TypeId id : {TypeId::kTimestampNs, TypeId::kTimestampTzNs}) {
    EXPECT_EQ(HashLiteral(Of(id), kTimestamp * 1000), -2047944441);
    EXPECT_EQ(HashLiteral(Of(id), kTimestamp * 1000 + 1001), -1207196810);
  }
  EXPECT_EQ(HashLiteral(Of(TypeId::kString), "iceberg"s), 1210000089);
  EXPECT_EQ(HashLiteral(Of(TypeId::kUuid), "\xf7\x9c\x3e\x09\x67\x7c\x4b\xbd\xa4\x79\x3f\x34\x9c\xb7\x85\xe7"s),
            1488055340);
  EXPECT_EQ(HashLiteral(Type::Fixed(4), "\0\1\2\3"s), -188683207);
  EXPECT_EQ(HashLiteral(Of(TypeId::kBinary), "\0\1\2\3"s), -188683207);
  EXPECT_EQ(HashLiteral(Of(TypeId::kBoolean), true), 1392991556);
  EXPECT_EQ(HashLiteral(Of(TypeId::kFloat), 1.0f), -142385009);
  EXPECT_EQ(HashLiteral(Of(TypeId::kDouble), 1.0), -142385009);
  for (double zero : {0.0, -0.0}) {
    EXPECT_EQ(HashLiteral(Of(TypeId::kDouble), zero), 1669671676);
    EXPECT_EQ(HashLiteral(Of(TypeId::kFloat), static_cast<float>(zero)), 1669671676);
  }
  EXPECT_EQ(HashLiteral(Of(TypeId::kDouble), std::nan("1")), HashLiteral(Of(TypeId::kDouble), -std::nan("2")));
}

TEST(Hash, TailBytesOfEveryLength) {
  // The public test vectors of Murmur3 x86 32-bit with seed 0.
  EXPECT_EQ(Murmur3(""), 0u);
  EXPECT_EQ(Murmur3("\x21\x43\x65\x87"s), 0xf55b516bu);
  EXPECT_EQ(Murmur3("\x21\x43\x65"s), 0x7e4a8634u);
  EXPECT_EQ(Murmur3("\x21\x43"s), 0xa0f7b07au);
  EXPECT_EQ(Murmur3("\x21"s), 0x72661cf4u);
  EXPECT_EQ(Murmur3("\0\0\0\0"s), 0x2362f9deu);
  EXPECT_EQ(Murmur3("\0"s), 0x514e28b7u);
  EXPECT_EQ(Murmur3("\xff\xff\xff\xff"s), 0x76293b50u);
}

TEST(Transform, TextRoundTrips) {
  for (const char* text : {"identity", "bucket[16]", "truncate[4]", "year", "month", "day", "hour", "void"}) {
    Transform transform = ParseTransform(text);
    EXPECT_NE(transform.kind, TransformKind::kUnknown) << text;
    EXPECT_EQ(transform.ToString(), text);
  }
  for (const char* text : {"", "zorder", "bucket", "bucket[]", "bucket[0]", "bucket[-1]", "bucket[x]",
                           "bucket[99999999999]", "truncate[4", "days", "Day"}) {
    Transform transform = ParseTransform(text);
    EXPECT_EQ(transform.kind, TransformKind::kUnknown) << text;
    EXPECT_EQ(transform.ToString(), text);
  }
}

Literal Apply(const char* transform, const Type& type, const Literal& value) {
  return ApplyTransform(ParseTransform(transform), type, value);
}

TEST(Transform, NullStaysNull) {
  for (const char* text : {"identity", "bucket[16]", "truncate[4]", "year", "month", "day", "hour", "void", "zorder"}) {
    EXPECT_TRUE(IsNull(Apply(text, Of(TypeId::kTimestamp), {}))) << text;
  }
  EXPECT_TRUE(IsNull(Apply("void", Of(TypeId::kInt), int32_t{5})));
}

TEST(Transform, BucketIsNeverNegative) {
  EXPECT_EQ(Apply("bucket[16]", Of(TypeId::kLong), int64_t{34}), Literal(int32_t{2017239379 % 16}));
  EXPECT_EQ(Apply("bucket[16]", Type::Decimal(9, 2), Decimal128(1420)),
            Literal(int32_t{(-500754589 & 0x7fffffff) % 16}));
  for (int64_t value = -1000; value < 1000; ++value) {
    int32_t bucket = std::get<int32_t>(Apply("bucket[7]", Of(TypeId::kLong), value));
    EXPECT_TRUE(bucket >= 0 && bucket < 7);
    EXPECT_EQ(Apply("bucket[7]", Of(TypeId::kInt), static_cast<int32_t>(value)), Literal(bucket));
  }
}

TEST(Transform, TruncateRoundsDown) {
  EXPECT_EQ(Apply("truncate[10]", Of(TypeId::kInt), int32_t{1}), Literal(int32_t{0}));
  EXPECT_EQ(Apply("truncate[10]", Of(TypeId::kInt), int32_t{-1}), Literal(int32_t{-10}));
  EXPECT_EQ(Apply("truncate[10]", Of(TypeId::kInt), int32_t{-10}), Literal(int32_t{-10}));
  EXPECT_EQ(Apply("truncate[10]", Of(TypeId::kLong), int64_t{1}), Literal(int64_t{0}));
  EXPECT_EQ(Apply("truncate[10]", Of(TypeId::kLong), int64_t{-1}), Literal(int64_t{-10}));
  EXPECT_EQ(Apply("truncate[50]", Type::Decimal(9, 2), Decimal128(1065)), Literal(Decimal128(1050)));
  EXPECT_EQ(Apply("truncate[10]", Type::Decimal(9, 2), Decimal128(-5)), Literal(Decimal128(-10)));
  EXPECT_EQ(Apply("truncate[10]", Type::Decimal(9, 2), Decimal128(-10)), Literal(Decimal128(-10)));
  EXPECT_EQ(Apply("truncate[3]", Of(TypeId::kString), "iceberg"s), Literal("ice"s));
  EXPECT_EQ(Apply("truncate[2]", Of(TypeId::kString), "дон't"s), Literal("до"s));
  EXPECT_EQ(Apply("truncate[9]", Of(TypeId::kString), "ice"s), Literal("ice"s));
  EXPECT_EQ(Apply("truncate[3]", Of(TypeId::kBinary), "\1\2\3\4\5"s), Literal("\1\2\3"s));
}

TEST(Transform, TruncateWrapsAtTheTypesEnd) {
  // As Java's arithmetic does; the value has no representable multiple below it.
  EXPECT_EQ(Apply("truncate[10]", Of(TypeId::kInt), std::numeric_limits<int32_t>::min()), Literal(int32_t{2147483646}));
  EXPECT_EQ(Apply("truncate[10]", Of(TypeId::kInt), std::numeric_limits<int32_t>::max()), Literal(int32_t{2147483640}));
  EXPECT_EQ(Apply("truncate[2147483647]", Of(TypeId::kInt), int32_t{-1}), Literal(int32_t{-2147483647}));
}

void ExpectTemporal(TypeId id, const Literal& value, int year, int month, int day, int hour) {
  EXPECT_EQ(Apply("year", Of(id), value), Literal(int32_t{year}));
  EXPECT_EQ(Apply("month", Of(id), value), Literal(int32_t{month}));
  EXPECT_EQ(Apply("day", Of(id), value), Literal(int32_t{day}));
  if (id == TypeId::kDate) return;
  EXPECT_EQ(Apply("hour", Of(id), value), Literal(int32_t{hour}));
}

TEST(Transform, TemporalTransformsRoundDownBefore1970) {
  ExpectTemporal(TypeId::kTimestampTz, kTimestamp, 47, 574, 17486, 419686);
  ExpectTemporal(TypeId::kTimestamp, int64_t{0}, 0, 0, 0, 0);
  ExpectTemporal(TypeId::kTimestamp, int64_t{-1}, -1, -1, -1, -1);
  ExpectTemporal(TypeId::kTimestamp, int64_t{-3'600'000'000}, -1, -1, -1, -1);
  ExpectTemporal(TypeId::kTimestamp, int64_t{-3'600'000'001}, -1, -1, -1, -2);
  ExpectTemporal(TypeId::kTimestamp, int64_t{-365} * 86'400'000'000, -1, -12, -365, -8760);
  ExpectTemporal(TypeId::kTimestamp, int64_t{-365} * 86'400'000'000 - 1, -2, -13, -366, -8761);
  ExpectTemporal(TypeId::kTimestampNs, int64_t{-1}, -1, -1, -1, -1);
  ExpectTemporal(TypeId::kTimestampNs, kTimestamp * 1000 + 999, 47, 574, 17486, 419686);
  ExpectTemporal(TypeId::kDate, int32_t{17486}, 47, 574, 17486, 0);
  ExpectTemporal(TypeId::kDate, int32_t{-1}, -1, -1, -1, 0);
  ExpectTemporal(TypeId::kDate, int32_t{-719'162}, -1969, -23628, -719'162, 0);  // 0001-01-01
}

TEST(Transform, ResultTypesAreTheSpecs) {
  EXPECT_EQ(*ResultType(ParseTransform("identity"), Type::Decimal(9, 2)), Type::Decimal(9, 2));
  EXPECT_EQ(*ResultType(ParseTransform("bucket[16]"), Of(TypeId::kUuid)), Of(TypeId::kInt));
  EXPECT_EQ(*ResultType(ParseTransform("truncate[4]"), Of(TypeId::kString)), Of(TypeId::kString));
  EXPECT_EQ(*ResultType(ParseTransform("day"), Of(TypeId::kTimestampTz)), Of(TypeId::kDate));
  EXPECT_EQ(*ResultType(ParseTransform("hour"), Of(TypeId::kTimestampTz)), Of(TypeId::kInt));
  EXPECT_EQ(*ResultType(ParseTransform("year"), Of(TypeId::kDate)), Of(TypeId::kInt));
  EXPECT_EQ(*ResultType(ParseTransform("void"), Of(TypeId::kBoolean)), Of(TypeId::kBoolean));
}

TEST(Transform, RefusesTypesItDoesNotApplyTo) {
  auto expect_refused = [](const char* transform, const Type& type) {
    auto result = ResultType(ParseTransform(transform), type);
    ASSERT_FALSE(result.ok()) << transform << " " << type.ToString();
    EXPECT_EQ(KindOf(result.status()), ErrorKind::kUnsupported);
    EXPECT_NE(MessageOf(result.status()).find(type.ToString()), std::string::npos);
  };
  expect_refused("hour", Of(TypeId::kDate));
  expect_refused("hour", Of(TypeId::kTime));
  expect_refused("day", Of(TypeId::kLong));
  expect_refused("year", Of(TypeId::kString));
  expect_refused("bucket[16]", Of(TypeId::kDouble));
  expect_refused("bucket[16]", Of(TypeId::kBoolean));
  expect_refused("truncate[4]", Of(TypeId::kUuid));
  expect_refused("truncate[4]", Type::Fixed(8));
  expect_refused("identity", Type::List(1, true, Of(TypeId::kInt)));
  expect_refused("void", Type::Struct({}));
}

TEST(Transform, LiteralOfTheWrongKindIsNullNotACrash) {
  EXPECT_TRUE(IsNull(Apply("day", Of(TypeId::kTimestamp), "2024"s)));
  EXPECT_TRUE(IsNull(Apply("truncate[4]", Of(TypeId::kInt), true)));
}

}  // namespace
}  // namespace calve::iceberg
