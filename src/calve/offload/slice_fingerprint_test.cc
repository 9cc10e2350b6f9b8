#include "calve/offload/slice_fingerprint.h"

#include <arrow/builder.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "calve/offload/testing_tables.h"

namespace calve::offload {
namespace {

constexpr uint64_t kFactor = 0x9E3779B97F4A7C15;

std::shared_ptr<arrow::Array> Instants(arrow::TimeUnit::type unit, const std::vector<std::optional<int64_t>>& values) {
  arrow::TimestampBuilder builder(arrow::timestamp(unit, "UTC"), arrow::default_memory_pool());
  for (const auto& value : values) {
    EXPECT_TRUE((value ? builder.Append(*value) : builder.AppendNull()).ok());
  }
  return builder.Finish().ValueOrDie();
}

template <typename Builder, typename T>
std::shared_ptr<arrow::Array> Whole(const std::vector<std::optional<T>>& values) {
  Builder builder;
  for (const auto& value : values) EXPECT_TRUE((value ? builder.Append(*value) : builder.AppendNull()).ok());
  return builder.Finish().ValueOrDie();
}

Result<uint64_t> FingerprintOf(const std::shared_ptr<arrow::Array>& cursor, std::shared_ptr<arrow::Array> sequence) {
  arrow::FieldVector fields = {arrow::field("ts", cursor->type())};
  arrow::ArrayVector columns = {cursor};
  if (sequence) {
    fields.push_back(arrow::field("seq", sequence->type()));
    columns.push_back(sequence);
  }
  RowsFingerprint fingerprint("ts", sequence ? "seq" : "");
  ARROW_RETURN_NOT_OK(fingerprint.Add(*arrow::RecordBatch::Make(arrow::schema(fields), cursor->length(), columns)));
  EXPECT_EQ(fingerprint.rows(), cursor->length());
  return fingerprint.value();
}

// As ClickHouse 26.5 and 18.16 answer SELECT intHash64(…).
TEST(SliceFingerprint, IsClickHousesHash) {
  EXPECT_EQ(IntHash64(0), 4761183170873013810U);
  EXPECT_EQ(IntHash64(1), 10577349846663553072U);
  EXPECT_EQ(IntHash64(UINT64_MAX), 14600443904207254319U);
}

TEST(SliceFingerprint, EveryUnitIsInMicroseconds) {
  const uint64_t expected = IntHash64(3'000'000) + IntHash64(static_cast<uint64_t>(-2'000'000));
  EXPECT_EQ(FingerprintOf(Instants(arrow::TimeUnit::SECOND, {3, -2}), nullptr).ValueOrDie(), expected);
  EXPECT_EQ(FingerprintOf(Instants(arrow::TimeUnit::MILLI, {3000, -2000}), nullptr).ValueOrDie(), expected);
  EXPECT_EQ(FingerprintOf(Instants(arrow::TimeUnit::MICRO, {3000000, -2000000}), nullptr).ValueOrDie(), expected);
  EXPECT_EQ(FingerprintOf(Instants(arrow::TimeUnit::NANO, {3000000999, -2000000999}), nullptr).ValueOrDie(), expected);
}

TEST(SliceFingerprint, OfSequences) {
  const auto cursor = Instants(arrow::TimeUnit::MICRO, {1, 2, std::nullopt});
  const uint64_t expected =
      IntHash64(1) + IntHash64(2) + (IntHash64(7) + IntHash64(static_cast<uint64_t>(-1))) * kFactor;
  EXPECT_EQ(FingerprintOf(cursor, Whole<arrow::Int8Builder, int8_t>({7, std::nullopt, -1})).ValueOrDie(), expected);
  EXPECT_EQ(FingerprintOf(cursor, Whole<arrow::Int64Builder, int64_t>({-1, std::nullopt, 7})).ValueOrDie(), expected);
  EXPECT_EQ(FingerprintOf(cursor, Whole<arrow::UInt64Builder, uint64_t>({UINT64_MAX, 7, std::nullopt})).ValueOrDie(),
            expected);
  arrow::Decimal128Builder wide(arrow::decimal128(38, 0));
  for (const char* text : {"-1", "18446744073709551623"}) {  // 2^64 + 7
    ASSERT_TRUE(wide.Append(arrow::Decimal128::FromString(text).ValueOrDie()).ok());
  }
  ASSERT_TRUE(wide.AppendNull().ok());
  EXPECT_EQ(FingerprintOf(cursor, wide.Finish().ValueOrDie()).ValueOrDie(), expected);
  // Which of them goes with which cursor does not matter, how often each is there does.
  EXPECT_NE(FingerprintOf(cursor, Whole<arrow::Int8Builder, int8_t>({7, 7, -1})).ValueOrDie(), expected);
}

TEST(SliceFingerprint, OfDictionaries) {
  const auto words = Whole<arrow::UInt32Builder, uint32_t>({7, 9});
  const auto indices = Whole<arrow::Int32Builder, int32_t>({1, std::nullopt, 0, 1});
  const auto dictionary = arrow::DictionaryArray::FromArrays(indices, words).ValueOrDie();
  const uint64_t cursors = 4 * IntHash64(5);
  EXPECT_EQ(FingerprintOf(Instants(arrow::TimeUnit::MICRO, {5, 5, 5, 5}), dictionary).ValueOrDie(),
            cursors + (2 * IntHash64(9) + IntHash64(7)) * kFactor);
}

TEST(SliceFingerprint, OverBatchesInAnyOrder) {
  const auto one = Instants(arrow::TimeUnit::MILLI, {1}), two = Instants(arrow::TimeUnit::MILLI, {5, 7});
  const auto schema = arrow::schema({arrow::field("ts", one->type())});
  RowsFingerprint forth("ts", ""), back("ts", "");
  ASSERT_TRUE(forth.Add(*arrow::RecordBatch::Make(schema, 1, {one})).ok());
  ASSERT_TRUE(forth.Add(*arrow::RecordBatch::Make(schema, 2, {two})).ok());
  ASSERT_TRUE(back.Add(*arrow::RecordBatch::Make(schema, 2, {two})).ok());
  ASSERT_TRUE(back.Add(*arrow::RecordBatch::Make(schema, 1, {one})).ok());
  EXPECT_EQ(forth.value(), back.value());
  EXPECT_EQ(forth.value(), IntHash64(1000) + IntHash64(5000) + IntHash64(7000));
}

TEST(SliceFingerprint, ColumnsThatAreNotWhatTheyWere) {
  const auto cursor = Instants(arrow::TimeUnit::MICRO, {1});
  arrow::StringBuilder text;
  ASSERT_TRUE(text.Append("7").ok());
  const Status retyped = FingerprintOf(cursor, text.Finish().ValueOrDie()).status();
  EXPECT_EQ(KindOf(retyped), ErrorKind::kUnsupported);
  EXPECT_NE(MessageOf(retyped).find("column seq comes as string"), std::string::npos);
  EXPECT_FALSE(FingerprintOf(cursor, cursor).ok()) << "a timestamp is no sequence";
  EXPECT_FALSE(FingerprintOf(Whole<arrow::Int64Builder, int64_t>({1}), nullptr).ok());
  RowsFingerprint absent("other", "");
  EXPECT_EQ(
      KindOf(absent.Add(*arrow::RecordBatch::Make(arrow::schema({arrow::field("ts", cursor->type())}), 1, {cursor}))),
      ErrorKind::kUnsupported);
}

TEST(SliceFingerprint, Expressions) {
  EXPECT_EQ(FingerprintExpression({"ts", 0, false, false}, nullptr),
            "toString(sumWithOverflow(intHash64(toUInt64(toInt64(toUnixTimestamp(_t.`ts`)) * 1000000))))");
  const source::SourceColumn sequence{"seq", source::ParseClickHouseType("Nullable(UInt64)").ValueOrDie(), "", ""};
  EXPECT_EQ(
      FingerprintExpression({"ts", 3, true, true}, &sequence),
      "toString(sumWithOverflow(if(isNull(_t.`ts`), toUInt64(0), intHash64(toUInt64(toUnixTimestamp64Micro(CAST("
      "assumeNotNull(_t.`ts`) AS DateTime64(6, 'UTC')))))) + if(isNull(_t.`seq`), toUInt64(0), intHash64(toUInt64("
      "assumeNotNull(_t.`seq`)))) * 11400714819323198485))");
  EXPECT_TRUE(IsHashedSequence(source::ParseClickHouseType("LowCardinality(Nullable(UInt256))").ValueOrDie()));
  EXPECT_FALSE(IsHashedSequence(source::ParseClickHouseType("Bool").ValueOrDie()));
  EXPECT_FALSE(IsHashedSequence(source::ParseClickHouseType("Float32").ValueOrDie()));
}

}  // namespace
}  // namespace calve::offload
