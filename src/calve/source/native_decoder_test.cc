// Blocks built by hand: what no golden file holds, and what must be refused.
#include "calve/source/native_decoder.h"

#include <arrow/array.h>
#include <arrow/compare.h>
#include <arrow/memory_pool.h>
#include <gtest/gtest.h>

#include <limits>
#include <random>

#include "calve/source/testing_native.h"

namespace calve::source {
namespace {

using testing::Bytes;
using testing::Chunked;
using testing::ColumnOf;
using testing::DecodeAll;
using testing::DecodeOne;
using testing::ExpectFailure;
using testing::kBlockInfo;
using testing::Whole;

ClickHouseType Type(const std::string& text) { return ParseClickHouseType(text).ValueOrDie(); }

TEST(ArrowFieldOf, TheTableOfTheHeader) {
  const std::pair<const char*, const char*> table[] = {
      {"Bool", "bool not null"},
      {"UInt64", "uint64 not null"},
      {"BFloat16", "float not null"},
      {"Int256", "decimal128(38, 0) not null"},
      {"Decimal(9, 4)", "decimal32(9, 4) not null"},
      {"Decimal(18, 8)", "decimal64(18, 8) not null"},
      {"Decimal(19, 8)", "decimal128(19, 8) not null"},
      {"Decimal(76, 20)", "decimal128(38, 20) not null"},
      {"String", "binary not null"},
      {"FixedString(7)", "fixed_size_binary[7] not null"},
      {"UUID", "fixed_size_binary[16] not null"},
      {"IPv4", "string not null"},
      {"Enum8('a' = 1)", "dictionary<values=string, indices=int32, ordered=0> not null"},
      {"Date", "date32[day] not null"},
      {"DateTime('Asia/Tokyo')", "timestamp[s, tz=UTC] not null"},
      {"DateTime64(0)", "timestamp[s, tz=UTC] not null"},
      {"DateTime64(1)", "timestamp[ms, tz=UTC] not null"},
      {"DateTime64(4)", "timestamp[us, tz=UTC] not null"},
      {"DateTime64(7)", "timestamp[ns, tz=UTC] not null"},
      {"Nullable(Int8)", "int8"},
      {"LowCardinality(Nullable(String))", "dictionary<values=binary, indices=int32, ordered=0>"},
      {"Array(Nullable(Int8))", "list<item: int8> not null"},
      {"Map(String, Nullable(Int8))", "map<binary, int8> not null"},
      {"Tuple(a Int8, String)", "struct<a: int8 not null, 2: binary not null> not null"},
      {"Nested(a Int8)", "list<item: struct<a: int8 not null> not null> not null"},
      {"SimpleAggregateFunction(any, Nullable(Date))", "date32[day]"},
  };
  for (const auto& [clickhouse, arrow] : table) {
    const auto field = ArrowFieldOf("c", Type(clickhouse));
    ASSERT_TRUE(field.ok()) << clickhouse << field.status().ToString();
    EXPECT_EQ((*field)->ToString(), "c: " + std::string(arrow)) << clickhouse;
  }
}

TEST(ArrowFieldOf, RefusesWithColumnAndType) {
  for (const char* text : {"JSON", "Dynamic", "Variant(Int8, String)", "Point", "Time", "Time64(3)", "IntervalDay",
                           "Nothing", "Nullable(Nothing)", "AggregateFunction(count)", "Tuple()", "Unheard",
                           "Decimal(60, 40)", "LowCardinality(Array(Int8))", "Map(Nullable(String), Int8)",
                           "Nullable(Array(Int8))", "Nullable(LowCardinality(String))"}) {
    const auto field = ArrowFieldOf("price", Type(std::string("Array(") + text + ")"));
    ASSERT_FALSE(field.ok()) << text;
    EXPECT_EQ(KindOf(field.status()), ErrorKind::kUnsupported) << text;
    EXPECT_NE(MessageOf(field.status()).find("price.item"), std::string::npos) << field.status().ToString();
    // The decoder refuses the same before it reads any value.
    ExpectFailure(Bytes().Block(1, 1).Column("price", text).str(), ErrorKind::kUnsupported, "price");
  }
}

TEST(NativeDecoder, NothingAtAll) {
  NativeDecoder decoder(Whole(""), {});
  EXPECT_EQ(decoder.Next().ValueOrDie(), nullptr);
  EXPECT_EQ(decoder.schema(), nullptr);
  EXPECT_EQ(decoder.Next().ValueOrDie(), nullptr);
}

TEST(NativeDecoder, ABlockWithoutRowsGivesTheSchema) {
  const std::string header =
      Bytes().Block(2, 0).Column("a", "Array(LowCardinality(String))").Column("b", "Enum8('x' = 1)").str();
  NativeDecoder decoder(Whole(header), {});
  EXPECT_EQ(decoder.Next().ValueOrDie(), nullptr);
  ASSERT_NE(decoder.schema(), nullptr);
  EXPECT_EQ(decoder.schema()->num_fields(), 2);
  const std::string rows = Bytes()
                               .Block(1, 0)
                               .Column("a", "UInt8")
                               .Block(1, 2)
                               .Column("a", "UInt8")
                               .Raw("xy")
                               .Block(1, 0)
                               .Column("a", "UInt8")
                               .str();
  EXPECT_EQ(DecodeAll(Whole(rows), {}).ValueOrDie().size(), 1u);
}

TEST(NativeDecoder, AnErrorStays) {
  NativeDecoder decoder(Whole(Bytes().Block(1, 1).Column("a", "UInt16").Raw("x").str()), {});
  const Status first = decoder.Next().status();
  EXPECT_EQ(KindOf(first), ErrorKind::kCorrupt);
  EXPECT_EQ(decoder.Next().status(), first);
}

TEST(NativeDecoder, BlocksMustHaveTheSameColumns) {
  const Bytes first = Bytes().Block(1, 1).Column("a", "UInt8").Raw("x");
  ExpectFailure(Bytes(first).Block(1, 1).Column("b", "UInt8").Raw("x").str(), ErrorKind::kCorrupt,
                "column b UInt8 where a UInt8 belongs");
  ExpectFailure(Bytes(first).Block(1, 1).Column("a", "Int8").Raw("x").str(), ErrorKind::kCorrupt, "column a Int8");
  ExpectFailure(Bytes(first).Block(2, 1).Column("a", "UInt8").Raw("x").str(), ErrorKind::kCorrupt,
                "a block of 2 columns behind one of 1");
  ExpectFailure(Bytes(first).Block(0, 0).str(), ErrorKind::kCorrupt, "");
  ExpectFailure(Bytes().Block(0, 0).str(), ErrorKind::kCorrupt, "without columns");
}

TEST(NativeDecoder, LimitsAreKept) {
  NativeOptions options;
  options.rows_max = 10;
  ExpectFailure(Bytes().Block(1, 11).Column("a", "UInt8").Raw("01234567890").str(), ErrorKind::kCorrupt, "11 rows",
                options);
  options = {};
  options.bytes_max = 1000;
  ExpectFailure(Bytes().Block(1, 126).Column("a", "UInt64").Raw(std::string(1008, 'x')).str(), ErrorKind::kConfig,
                "column a: more than 1000 bytes", options);
  ExpectFailure(Bytes().Block(1, 2).Column("s", "String").Text(std::string(600, 'x')).Text(std::string(600, 'x')).str(),
                ErrorKind::kConfig, "column s", options);
  EXPECT_TRUE(
      DecodeOne(Bytes().Block(1, 2).Column("s", "String").Text(std::string(600, 'x')).Text(std::string(400, 'x')).str(),
                options)
          .ok());
  options = {};
  options.revision = 54470;
  ExpectFailure("x", ErrorKind::kUnsupported, "revision 54470", options);
}

TEST(NativeDecoder, PromisedRowsTakeNoMemoryBeforeTheirBytes) {
  for (const char* type : {"Int256", "String", "Array(String)", "Bool", "Nullable(UInt64)", "IPv6",
                           "Tuple(UInt64, UUID)", "DateTime64(1)"}) {
    const int64_t before = arrow::default_memory_pool()->bytes_allocated();
    const int64_t peak_before = arrow::default_memory_pool()->max_memory();
    ExpectFailure(Bytes().Block(1, 16'000'000).Column("a", type).Raw("0123456789").str(), ErrorKind::kCorrupt,
                  "ends inside a block");
    EXPECT_LE(arrow::default_memory_pool()->max_memory(), std::max(peak_before, before + (2 << 20))) << type;
  }
  // An array of 2^31 - 1 elements.
  ExpectFailure(Bytes().Block(1, 1).Column("a", "Array(String)").Number(uint64_t{0x7fffffff}).Raw("x").str(),
                ErrorKind::kCorrupt, "ends inside a block");
}

TEST(NativeDecoder, LargeColumnsAcrossChunksOfAnySize) {
  constexpr int kRows = 70'000;
  std::mt19937_64 random(5);
  Bytes bytes;
  bytes.Block(4, kRows).Column("n", "UInt64");
  std::vector<uint64_t> numbers(kRows);
  for (auto& number : numbers) number = random();
  bytes.Numbers(numbers).Column("s", "String");
  std::vector<std::string> texts(kRows);
  for (int i = 0; i < kRows; ++i) {
    texts[i].assign(i % 1000 == 7 ? 70'000 + i % 3
                    : i % 97 == 0 ? 128 + random() % 600
                                  : random() % 40,
                    static_cast<char>('a' + i % 26));
    bytes.Text(texts[i]);
  }
  bytes.Column("b", "Nullable(Bool)");
  for (int i = 0; i < kRows; ++i) bytes.Number(static_cast<uint8_t>(i % 3 == 0));
  for (int i = 0; i < kRows; ++i) bytes.Number(static_cast<uint8_t>(i % 2));
  bytes.Column("l", "LowCardinality(String)")
      .Number(uint64_t{1})
      .Number(uint64_t{0x602})
      .Number(uint64_t{2})
      .Text("")
      .Text("x")
      .Number(uint64_t{kRows});
  for (int i = 0; i < kRows; ++i) bytes.Number(static_cast<uint32_t>(i % 2));

  const auto check = [&](const std::shared_ptr<arrow::RecordBatch>& batch) {
    ASSERT_TRUE(batch->ValidateFull().ok());
    const auto& n = ColumnOf<arrow::UInt64Array>(batch, 0);
    const auto& s = ColumnOf<arrow::BinaryArray>(batch, 1);
    const auto& b = ColumnOf<arrow::BooleanArray>(batch, 2);
    const auto& l = ColumnOf<arrow::DictionaryArray>(batch, 3);
    EXPECT_EQ(b.null_count(), (kRows + 2) / 3);
    for (int i = 0; i < kRows; ++i) {
      ASSERT_EQ(n.Value(i), numbers[i]);
      ASSERT_EQ(s.GetView(i), texts[i]) << i;
      ASSERT_EQ(b.IsNull(i), i % 3 == 0);
      ASSERT_TRUE(i % 3 == 0 || b.Value(i) == (i % 2 == 1));
      ASSERT_EQ(l.GetValueIndex(i), i % 2);
    }
  };
  check(DecodeOne(bytes.str()).ValueOrDie());
  const std::string two = bytes.str() + bytes.str();  // the second with what the first taught
  for (int64_t most : {4'000, 66'000, 1 << 20}) {
    const auto batches =
        DecodeAll(Chunked(two, [&] { return 1 + static_cast<int64_t>(random() % most); }), {}).ValueOrDie();
    ASSERT_EQ(batches.size(), 2u);
    check(batches[0]);
    check(batches[1]);
  }
}

TEST(NativeDecoder, BoolTakesAnyNonZeroByteForTrue) {
  Bytes bytes;
  bytes.Block(1, 19).Column("b", "Bool");
  for (int i = 0; i < 19; ++i)
    bytes.Number(static_cast<uint8_t>(i % 4 == 0 ? 0 : i % 4 == 1 ? 1 : i % 4 == 2 ? 0x80 : 0xff));
  const auto batch = DecodeOne(bytes.str()).ValueOrDie();
  for (int i = 0; i < 19; ++i) EXPECT_EQ(ColumnOf<arrow::BooleanArray>(batch).Value(i), i % 4 != 0) << i;
}

TEST(NativeDecoder, NullRowsMayHoldAnything) {
  // Each value of the first row would be refused if it counted.
  Bytes bytes;
  const std::string ones(32, '\xff');
  bytes.Block(5, 2);
  bytes.Column("u", "Nullable(UInt256)").Raw(std::string_view("\x01\x00", 2)).Raw(ones).Raw(std::string(32, '\0'));
  bytes.Column("e", "Nullable(Enum8('a' = 1))").Raw(std::string_view("\x01\x00", 2)).Raw("\x63\x01");
  bytes.Column("t", "Nullable(DateTime64(1))")
      .Raw(std::string_view("\x01\x00", 2))
      .Number(std::numeric_limits<int64_t>::max())
      .Number(int64_t{5});
  bytes.Column("d", "Nullable(Decimal(9, 0))")
      .Raw(std::string_view("\x01\x00", 2))
      .Number(std::numeric_limits<int32_t>::min())
      .Number(int32_t{7});
  bytes.Column("x", "Nullable(Decimal(38, 0))")
      .Raw(std::string_view("\x02\x00", 2))
      .Raw(ones.substr(0, 15))
      .Raw("\x7f")
      .Raw(std::string(16, '\0'));
  const auto batch = DecodeOne(bytes.str()).ValueOrDie();
  ASSERT_TRUE(batch->ValidateFull().ok()) << batch->ValidateFull().ToString();
  for (const auto& column : batch->columns()) {
    EXPECT_TRUE(column->IsNull(0));
    EXPECT_TRUE(column->IsValid(1));
    EXPECT_EQ(column->null_count(), 1);
  }
  EXPECT_EQ(ColumnOf<arrow::TimestampArray>(batch, 2).Value(1), 500);
}

TEST(NativeDecoder, ValuesThatDoNotFitAreNamed) {
  const std::string ones(32, '\xff');
  ExpectFailure(Bytes().Block(1, 1).Column("u", "UInt256").Raw(ones).str(), ErrorKind::kValue,
                "column u: 115792089237316195423570985008687907853269984665640564039457584007913129639935");
  ExpectFailure(Bytes().Block(1, 1).Column("u", "UInt128").Raw(ones.substr(16)).str(), ErrorKind::kValue,
                "column u: 340282366920938463463374607431768211455");
  ExpectFailure(Bytes().Block(1, 1).Column("i", "Int128").Raw(std::string(15, '\0')).Raw("\x80").str(),
                ErrorKind::kValue, "column i: -170141183460469231731687303715884105728");
  EXPECT_EQ(ColumnOf<arrow::Decimal128Array>(
                DecodeOne(Bytes().Block(1, 1).Column("i", "Int256").Raw(ones).str()).ValueOrDie())
                .FormatValue(0),
            "-1");
  // 10^38 and 10^38 - 1.
  const uint64_t high = 5421010862427522170u, low = 687399551400673280u;
  ExpectFailure(Bytes().Block(1, 1).Column("i", "Int128").Number(low).Number(high).str(), ErrorKind::kValue,
                "1" + std::string(38, '0'));
  EXPECT_TRUE(DecodeOne(Bytes().Block(1, 1).Column("i", "Int128").Number(low - 1).Number(high).str()).ok());
  ExpectFailure(Bytes().Block(1, 1).Column("d", "Decimal(38, 2)").Number(low).Number(high).str(), ErrorKind::kValue,
                "column d");
  ExpectFailure(Bytes().Block(1, 1).Column("d", "Decimal(4, 2)").Number(int32_t{-10'000}).str(), ErrorKind::kValue,
                "column d: -100.00");
  EXPECT_TRUE(DecodeOne(Bytes().Block(1, 1).Column("d", "Decimal(4, 2)").Number(int32_t{-9'999}).str()).ok());
  ExpectFailure(Bytes().Block(1, 1).Column("d", "Decimal(18, 0)").Number(int64_t{1'000'000'000'000'000'000}).str(),
                ErrorKind::kValue, "column d");
  ExpectFailure(Bytes().Block(1, 1).Column("t", "DateTime64(8)").Number(std::numeric_limits<int64_t>::max() / 9).str(),
                ErrorKind::kValue, "column t");
  ExpectFailure(Bytes().Block(1, 1).Column("e", "Enum8('a' = 1, 'b' = 3)").Raw("\x02").str(), ErrorKind::kCorrupt,
                "column e: 2 is no value of the enum");
}

TEST(NativeDecoder, BlockInfo) {
  NativeOptions options;
  options.revision = 54405;
  const std::string column = Bytes().Block(1, 1).Column("a", "UInt8").Raw("x").str();
  EXPECT_TRUE(DecodeOne(std::string(kBlockInfo) + column, options).ok());
  ExpectFailure(column, ErrorKind::kCorrupt, "", options);
  ExpectFailure(std::string("\x00", 1) + column, ErrorKind::kCorrupt, "without block info", options);
  ExpectFailure("\x03" + column, ErrorKind::kCorrupt, "unknown field 3", options);
}

}  // namespace
}  // namespace calve::source
