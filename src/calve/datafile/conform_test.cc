#include "calve/datafile/conform.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "calve/datafile/testing_batches.h"

namespace calve::datafile {
namespace {

using iceberg::NestedField;
using iceberg::Schema;
using iceberg::Type;
using iceberg::TypeId;
using testing::HasSubstr;
using ArrayPtr = std::shared_ptr<arrow::Array>;

Schema Target(const Type& type, bool required = false) {
  Schema schema;
  schema.fields = {{1, "c", required, type, ""}};
  return schema;
}

Result<ArrayPtr> Convert(const ArrayPtr& source, const Type& target, bool required = false) {
  const auto batch = OneColumn(source);
  ARROW_ASSIGN_OR_RAISE(auto conformer, Conformer::Make(Target(target, required), *batch->schema()));
  ARROW_ASSIGN_OR_RAISE(auto out, conformer->Apply(*batch));
  ARROW_RETURN_NOT_OK(out->ValidateFull());
  EXPECT_TRUE(out->schema()->Equals(*conformer->schema()));
  return out->column(0);
}

// Also of a slice: offsets are where casts go wrong.
void ExpectConverts(const ArrayPtr& source, const Type& target, const ArrayPtr& expected) {
  const auto whole = Convert(source, target);
  ASSERT_TRUE(whole.ok()) << whole.status().ToString();
  EXPECT_TRUE((*whole)->Equals(*expected)) << (*whole)->ToString() << " is not " << expected->ToString();
  if (source->length() < 2) return;
  const auto slice = Convert(source->Slice(1), target);
  ASSERT_TRUE(slice.ok()) << slice.status().ToString();
  EXPECT_TRUE((*slice)->Equals(*expected->Slice(1))) << "slice: " << (*slice)->ToString();
}

void ExpectRefused(const std::shared_ptr<arrow::DataType>& source, const Type& target) {
  const arrow::Schema schema({arrow::field("c", source)});
  const Status status = Conformer::Make(Target(target), schema).status();
  EXPECT_EQ(KindOf(status), ErrorKind::kUnsupported) << source->ToString() << " to " << target.ToString();
  EXPECT_THAT(MessageOf(status), HasSubstr("column c"));
  EXPECT_THAT(MessageOf(status), HasSubstr(target.ToString()));
  EXPECT_NE(RemedyOf(status), "");
}

void ExpectValueError(const ArrayPtr& source, const Type& target, const std::string& value, const std::string& remedy) {
  for (const ArrayPtr& array : {source, source->Slice(1)}) {
    const Status status = Convert(array, target).status();
    EXPECT_EQ(KindOf(status), ErrorKind::kValue) << status.ToString();
    EXPECT_THAT(MessageOf(status), HasSubstr("column c"));
    EXPECT_THAT(MessageOf(status), HasSubstr(value));
    EXPECT_THAT(RemedyOf(status), HasSubstr(remedy));
  }
}

const Type kInt = Type::Of(TypeId::kInt), kLong = Type::Of(TypeId::kLong), kString = Type::Of(TypeId::kString),
           kBinary = Type::Of(TypeId::kBinary), kUuid = Type::Of(TypeId::kUuid), kTz = Type::Of(TypeId::kTimestampTz);

TEST(Conform, IntegersWiden) {
  for (const auto& type : {arrow::int8(), arrow::int16(), arrow::int32()}) {
    ExpectConverts(FromJson(type, "[1, null, -128, 127]"), kInt, FromJson(arrow::int32(), "[1, null, -128, 127]"));
    ExpectConverts(FromJson(type, "[1, null, -128, 127]"), kLong, FromJson(arrow::int64(), "[1, null, -128, 127]"));
  }
  ExpectConverts(FromJson(arrow::uint8(), "[0, 255]"), kInt, FromJson(arrow::int32(), "[0, 255]"));
  ExpectConverts(FromJson(arrow::uint16(), "[0, 65535]"), kInt, FromJson(arrow::int32(), "[0, 65535]"));
  ExpectConverts(FromJson(arrow::uint32(), "[0, 4294967295]"), kLong, FromJson(arrow::int64(), "[0, 4294967295]"));
  ExpectRefused(arrow::uint32(), kInt);
  ExpectRefused(arrow::int64(), kInt);
  ExpectRefused(arrow::int32(), Type::Of(TypeId::kBoolean));
  ExpectRefused(arrow::int32(), kString);
}

TEST(Conform, SameTypeIsNotCopied) {
  const auto source = FromJson(arrow::int64(), "[1, 2, 3]");
  EXPECT_EQ(Must(Convert(source, kLong))->data()->buffers[1].get(), source->data()->buffers[1].get());
  const auto unsigned_source = FromJson(arrow::uint64(), "[1, 2, 3]");
  EXPECT_EQ(Must(Convert(unsigned_source, kLong))->data()->buffers[1].get(), unsigned_source->data()->buffers[1].get());
}

TEST(Conform, UInt64ToLongIsCheckedByValue) {
  ExpectConverts(FromJson(arrow::uint64(), "[0, null, 9223372036854775807]"), kLong,
                 FromJson(arrow::int64(), "[0, null, 9223372036854775807]"));
  ExpectValueError(FromJson(arrow::uint64(), "[1, 2, 9223372036854775808, 18446744073709551615]"), kLong,
                   "9223372036854775808", "--type c=decimal(20,0)");
  ExpectConverts(FromJson(arrow::uint64(), "[0, 18446744073709551615]"), Type::Decimal(20, 0),
                 FromJson(arrow::decimal128(20, 0), R"(["0", "18446744073709551615"])"));
  ExpectRefused(arrow::uint64(), Type::Decimal(19, 0));
}

TEST(Conform, WhatStandsUnderANullIsNotChecked) {
  auto data = FromJson(arrow::uint64(), "[1, 18446744073709551615, 3]")->data()->Copy();
  data->buffers[0] = Must(arrow::AllocateEmptyBitmap(3));
  arrow::bit_util::SetBit(data->buffers[0]->mutable_data(), 0);
  arrow::bit_util::SetBit(data->buffers[0]->mutable_data(), 2);
  data->null_count = 1;
  ExpectConverts(arrow::MakeArray(data), kLong, FromJson(arrow::int64(), "[1, null, 3]"));
}

TEST(Conform, IntegersToDecimalsThatHoldThem) {
  ExpectConverts(FromJson(arrow::int32(), "[-2147483648, null, 7]"), Type::Decimal(12, 2),
                 FromJson(arrow::decimal64(12, 2), R"(["-2147483648.00", null, "7.00"])"));
  ExpectConverts(FromJson(arrow::int8(), "[-128, 127]"), Type::Decimal(3, 0),
                 FromJson(arrow::decimal32(3, 0), R"(["-128", "127"])"));
  ExpectRefused(arrow::int32(), Type::Decimal(9, 0));
}

TEST(Conform, DecimalsWiden) {
  const auto source =
      FromJson(arrow::decimal64(18, 8), R"(["-9999999999.99999999", null, "0.00000001", "1.50000000"])");
  ExpectConverts(source, Type::Decimal(38, 8),
                 FromJson(arrow::decimal128(38, 8), R"(["-9999999999.99999999", null, "0.00000001", "1.50000000"])"));
  ExpectConverts(
      source, Type::Decimal(38, 10),
      FromJson(arrow::decimal128(38, 10), R"(["-9999999999.9999999900", null, "0.0000000100", "1.5000000000"])"));
  ExpectConverts(FromJson(arrow::decimal32(9, 2), R"(["1.25", "-9999999.99"])"), Type::Decimal(18, 2),
                 FromJson(arrow::decimal64(18, 2), R"(["1.25", "-9999999.99"])"));
  ExpectRefused(arrow::decimal64(18, 8), Type::Decimal(17, 8));
  ExpectRefused(arrow::decimal64(18, 8), Type::Decimal(38, 7));
}

TEST(Conform, DecimalsWhoseIntegerDigitsShrinkAreCheckedByValue) {
  const Type target = Type::Decimal(38, 10);
  ExpectConverts(
      FromJson(arrow::decimal128(38, 0), R"(["1", "-9999999999999999999999999999"])"), target,
      FromJson(arrow::decimal128(38, 10), R"(["1.0000000000", "-9999999999999999999999999999.0000000000"])"));
  ExpectValueError(FromJson(arrow::decimal128(38, 0), R"(["1", "5", "10000000000000000000000000000"])"), target,
                   "10000000000000000000000000000", "Widen");
}

TEST(Conform, FloatsWidenAndKeepTheirOddities) {
  const auto wide = Must(Convert(FromJson(arrow::float32(), "[1.5, null, -0.0, NaN, Inf]"), Type::Of(TypeId::kDouble)));
  const auto& doubles = static_cast<const arrow::DoubleArray&>(*wide);
  EXPECT_EQ(doubles.Value(0), 1.5);
  EXPECT_TRUE(doubles.IsNull(1));
  EXPECT_TRUE(std::signbit(doubles.Value(2)));
  EXPECT_TRUE(std::isnan(doubles.Value(3)));
  EXPECT_TRUE(std::isinf(doubles.Value(4)));
  ExpectRefused(arrow::float64(), Type::Of(TypeId::kFloat));
}

TEST(Conform, TimestampsBecomeMicros) {
  const auto micros = arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
  ExpectConverts(FromJson(arrow::timestamp(arrow::TimeUnit::SECOND, "UTC"), "[-1, null, 4294967295]"), kTz,
                 FromJson(micros, "[-1000000, null, 4294967295000000]"));
  ExpectConverts(FromJson(arrow::timestamp(arrow::TimeUnit::MILLI, "UTC"), "[-1, null, 1723161255342]"), kTz,
                 FromJson(micros, "[-1000, null, 1723161255342000]"));
  ExpectConverts(FromJson(arrow::timestamp(arrow::TimeUnit::NANO, "UTC"), "[-1000, null, 5000]"), kTz,
                 FromJson(micros, "[-1, null, 5]"));
  ExpectConverts(FromJson(micros, "[-1, null]"), Type::Of(TypeId::kTimestampTzNs),
                 FromJson(arrow::timestamp(arrow::TimeUnit::NANO, "UTC"), "[-1000, null]"));
  ExpectRefused(micros, Type::Of(TypeId::kTimestamp));
  ExpectRefused(micros, Type::Of(TypeId::kDate));
}

TEST(Conform, TimestampsThatDoNotFitAreErrors) {
  ExpectValueError(FromJson(arrow::timestamp(arrow::TimeUnit::MILLI, "UTC"), "[0, 1, 9223372036854775807]"), kTz,
                   "9223372036854775807", "expression");
  ExpectValueError(FromJson(arrow::timestamp(arrow::TimeUnit::NANO, "UTC"), "[0, 1000, 1723161255342000001]"), kTz,
                   "2024-08-08T23:54:15.342000001", "toDateTime64(c, 6)");
}

TEST(Conform, TextIsCheckedAsUtf8) {
  const auto source = FromJson(arrow::binary(), R"(["", null, "BTCUSDT", "naïve 中 😀"])");
  ExpectConverts(source, kString, FromJson(arrow::utf8(), R"(["", null, "BTCUSDT", "naïve 中 😀"])"));
  ExpectConverts(source, kBinary, source);
  arrow::BinaryBuilder builder;
  Must(builder.Append("fine"));
  Must(builder.Append("é"));
  Must(builder.Append("bad\xff\xfe"));
  ExpectValueError(Must(builder.Finish()), kString, "bad\\xff\\xfe", "--type c=binary");
  // Half a sequence at the end of one value and the other half in the next are two errors, not one character.
  Must(builder.Append("x"));
  Must(builder.Append("\xc3"));
  Must(builder.Append("\xa9"));
  ExpectValueError(Must(builder.Finish()), kString, "\\xc3", "binary");
}

TEST(Conform, FixedBytes) {
  arrow::FixedSizeBinaryBuilder builder(arrow::fixed_size_binary(16));
  Must(builder.Append("0123456789abcdef"));
  Must(builder.AppendNull());
  Must(builder.Append("\xff\xee\xdd\xcc\xbb\xaa\x99\x88\x77\x66\x55\x44\x33\x22\x11\x01"));
  const auto source = Must(builder.Finish());
  ExpectConverts(source, kUuid, source);
  ExpectConverts(source, Type::Fixed(16), source);
  ExpectConverts(source, kString, FromJson(arrow::utf8(), R"(["30313233-3435-3637-3839-616263646566", null,
                                                              "ffeeddcc-bbaa-9988-7766-554433221101"])"));
  const auto bytes = Must(Convert(source, kBinary));
  EXPECT_EQ(static_cast<const arrow::BinaryArray&>(*bytes).GetView(0), "0123456789abcdef");
  EXPECT_TRUE(bytes->IsNull(1));
  ExpectRefused(arrow::fixed_size_binary(8), kUuid);
  ExpectRefused(arrow::fixed_size_binary(8), Type::Fixed(9));
  ExpectRefused(arrow::fixed_size_binary(8), kString);
}

TEST(Conform, TextDictionariesStayDictionaries) {
  const auto indices = FromJson(arrow::int32(), "[0, 2, null, 1, 0]");
  const auto source =
      Must(arrow::DictionaryArray::FromArrays(indices, FromJson(arrow::binary(), R"(["a", "é", "c"])")));
  ExpectConverts(source, kString,
                 Must(arrow::DictionaryArray::FromArrays(indices, FromJson(arrow::utf8(), R"(["a", "é", "c"])"))));
  ExpectConverts(source, kBinary, FromJson(arrow::binary(), R"(["a", "c", null, "é", "a"])"));
}

TEST(Conform, NullEntriesOfDictionariesBecomeNullRows) {
  const auto source = Must(arrow::DictionaryArray::FromArrays(FromJson(arrow::int32(), "[1, 0, 1, null]"),
                                                              FromJson(arrow::binary(), R"([null, "x"])")));
  const auto out = Must(Convert(source, kString));
  EXPECT_EQ(out->null_count(), 2);
  EXPECT_EQ(LiteralOf(kString, *out, 0), iceberg::Literal("x"));
  EXPECT_TRUE(out->IsNull(1));
  EXPECT_EQ(KindOf(Convert(source, kString, /*required=*/true).status()), ErrorKind::kValue);
}

TEST(Conform, BadTextInADictionaryIsAnError) {
  arrow::BinaryBuilder builder;
  Must(builder.Append("\xff"));
  const auto source =
      Must(arrow::DictionaryArray::FromArrays(FromJson(arrow::int32(), "[0, 0]"), Must(builder.Finish())));
  ExpectValueError(source, kString, "\\xff", "binary");
}

TEST(Conform, DictionariesOfOtherTypesAreDecoded) {
  const auto source = Must(arrow::DictionaryArray::FromArrays(FromJson(arrow::int32(), "[1, null, 0]"),
                                                              FromJson(arrow::uint16(), "[7, 65535]")));
  ExpectConverts(source, kInt, FromJson(arrow::int32(), "[65535, null, 7]"));
}

TEST(Conform, NestedTypes) {
  const auto element = arrow::field("item", arrow::uint16());
  const auto list = FromJson(arrow::list(element), "[[1, null], null, [], [65535]]");
  const auto out = Must(Convert(list, Type::List(2, false, kLong)));
  EXPECT_TRUE(
      static_cast<const arrow::ListArray&>(*out).values()->Equals(*FromJson(arrow::int64(), "[1, null, 65535]")));
  EXPECT_TRUE(out->IsNull(1));
  EXPECT_EQ(Must(Convert(list->Slice(2), Type::List(2, false, kLong)))->length(), 2);

  const auto map = FromJson(arrow::map(arrow::binary(), arrow::binary()), R"([[["k", "v"], ["l", null]], []])");
  const auto converted = Must(Convert(map, Type::Map(2, kString, 3, false, kString)));
  EXPECT_EQ(converted->type()->ToString(), "map<string, string>");
  EXPECT_EQ(static_cast<const arrow::MapArray&>(*converted).items()->null_count(), 1);

  const auto record = FromJson(arrow::struct_({arrow::field("b", arrow::binary()), arrow::field("a", arrow::int8())}),
                               R"([{"b": "x", "a": 1}, null, {"b": "y", "a": null}])");
  const Type target = Type::Struct({Optional(2, "a", kInt), Optional(3, "gone", kLong), Optional(4, "b", kString)});
  for (const int64_t offset : {0, 1}) {
    const auto matched = Must(Convert(record->Slice(offset), target));
    const auto& fields = static_cast<const arrow::StructArray&>(*matched);
    EXPECT_EQ(fields.length(), 3 - offset);
    EXPECT_EQ(fields.field(1)->null_count(), 3 - offset);
    EXPECT_EQ(static_cast<const arrow::StringArray&>(*fields.field(2)).GetView(2 - offset), "y");
  }
}

TEST(Conform, BadTextInsideANestedColumnIsNamedByPath) {
  arrow::BinaryBuilder values;
  Must(values.Append("\xff"));
  const auto list = Must(arrow::ListArray::FromArrays(*FromJson(arrow::int32(), "[0, 1]"), *Must(values.Finish())));
  const Status status = Convert(list, Type::List(2, false, kString)).status();
  EXPECT_EQ(KindOf(status), ErrorKind::kValue);
  EXPECT_THAT(MessageOf(status), HasSubstr("c.element"));
}

TEST(Conform, RequiredFieldsTakeNoNulls) {
  EXPECT_TRUE(Convert(FromJson(arrow::int32(), "[1, 2]"), kInt, true).ok());
  const Status status = Convert(FromJson(arrow::int32(), "[1, null]"), kInt, true).status();
  EXPECT_EQ(KindOf(status), ErrorKind::kValue);
  EXPECT_THAT(MessageOf(status), HasSubstr("column c"));
  const auto type = arrow::struct_({arrow::field("a", arrow::int32())});
  const Type target = Type::Struct({Required(2, "a", kInt)});
  EXPECT_TRUE(Convert(FromJson(type, R"([{"a": 1}, null])"), target).ok());  // null together with its struct
  EXPECT_EQ(KindOf(Convert(FromJson(type, R"([{"a": 1}, {"a": null}])"), target).status()), ErrorKind::kValue);
}

TEST(Conform, ColumnsAreMatchedByName) {
  Schema target;
  target.fields = {Optional(1, "b", kString), Optional(2, "absent", kUuid), Required(3, "a", kLong)};
  const auto batch =
      arrow::RecordBatch::Make(arrow::schema({arrow::field("a", arrow::int32()), arrow::field("b", arrow::utf8())}), 2,
                               {FromJson(arrow::int32(), "[1, 2]"), FromJson(arrow::utf8(), R"(["x", "y"])")});
  const auto out = Must(Must(Conformer::Make(target, *batch->schema()))->Apply(*batch));
  EXPECT_EQ(out->schema()->field_names(), (std::vector<std::string>{"b", "absent", "a"}));
  EXPECT_EQ(out->column(1)->null_count(), 2);
  EXPECT_TRUE(out->column(2)->Equals(*FromJson(arrow::int64(), "[1, 2]")));

  target.fields[1].required = true;
  const Status missing = Conformer::Make(target, *batch->schema()).status();
  EXPECT_EQ(KindOf(missing), ErrorKind::kConfig);
  EXPECT_THAT(MessageOf(missing), HasSubstr("absent"));
  target.fields.erase(target.fields.begin(), target.fields.begin() + 2);
  const Status extra = Conformer::Make(target, *batch->schema()).status();
  EXPECT_EQ(KindOf(extra), ErrorKind::kConfig);
  EXPECT_THAT(MessageOf(extra), HasSubstr("column b"));
}

}  // namespace
}  // namespace calve::datafile
