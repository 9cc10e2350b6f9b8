// LowCardinality, arrays and sparse columns, built by hand.
#include <arrow/array.h>
#include <gtest/gtest.h>

#include "calve/source/testing_native.h"

namespace calve::source {
namespace {

using testing::Bytes;
using testing::Chunked;
using testing::ColumnOf;
using testing::DecodeAll;
using testing::DecodeOne;
using testing::ExpectFailure;
using testing::Failure;
using testing::kBlockInfo;
using testing::Whole;

Bytes LowCardinality(uint64_t flags, const std::vector<std::string>& keys, uint64_t rows,
                     std::string_view type = "LowCardinality(Nullable(String))") {
  Bytes bytes;
  bytes.Block(1, 3).Column("l", type).Number(uint64_t{1}).Number(flags).Number(static_cast<uint64_t>(keys.size()));
  for (const auto& key : keys) bytes.Text(key);
  return bytes.Number(rows);
}

TEST(NativeLayout, LowCardinalityIndicesOfEveryWidth) {
  const std::vector<std::string> keys = {"", "b", "c"};
  const std::string blocks[] = {LowCardinality(0x600, keys, 3).Numbers<uint8_t>({2, 0, 1}).str(),
                                LowCardinality(0x601, keys, 3).Numbers<uint16_t>({2, 0, 1}).str(),
                                LowCardinality(0x602, keys, 3).Numbers<uint32_t>({2, 0, 1}).str(),
                                LowCardinality(0x603, keys, 3).Numbers<uint64_t>({2, 0, 1}).str(),
                                LowCardinality(0x200, keys, 3).Numbers<uint8_t>({2, 0, 1}).str()};
  for (const std::string& block : blocks) {
    const auto batch = DecodeOne(block).ValueOrDie();
    ASSERT_TRUE(batch->ValidateFull().ok());
    const auto& column = ColumnOf<arrow::DictionaryArray>(batch);
    EXPECT_EQ(column.GetValueIndex(0), 2);
    EXPECT_TRUE(column.IsNull(1));
    EXPECT_EQ(static_cast<const arrow::BinaryArray&>(*column.dictionary()).GetView(column.GetValueIndex(2)), "b");
  }
}

TEST(NativeLayout, LowCardinalityThatIsNone) {
  const std::vector<std::string> keys = {"", "b"};
  ExpectFailure(LowCardinality(0x600, keys, 3).Numbers<uint8_t>({1, 2, 0}).str(), ErrorKind::kCorrupt,
                "index 2 into a dictionary of 2");
  ExpectFailure(LowCardinality(0x603, keys, 3).Numbers<uint64_t>({1, ~uint64_t{0}, 0}).str(), ErrorKind::kCorrupt,
                "into a dictionary of 2");
  ExpectFailure(LowCardinality(0x604, keys, 3).Numbers<uint8_t>({1, 1, 0}).str(), ErrorKind::kCorrupt, "flags 0x604");
  ExpectFailure(LowCardinality(0x700, keys, 3).Numbers<uint8_t>({1, 1, 0}).str(), ErrorKind::kCorrupt, "flags 0x700");
  ExpectFailure(LowCardinality(0x400, keys, 3).Numbers<uint8_t>({1, 1, 0}).str(), ErrorKind::kCorrupt, "flags 0x400");
  ExpectFailure(LowCardinality(0x600, keys, 2).Numbers<uint8_t>({1, 1}).str(), ErrorKind::kCorrupt,
                "2 rows where 3 belong");
  ExpectFailure(LowCardinality(0x600, {}, 3).Numbers<uint8_t>({0, 0, 0}).str(), ErrorKind::kCorrupt, "dictionary of 0");
  ExpectFailure(Bytes().Block(1, 1).Column("l", "LowCardinality(String)").Number(uint64_t{2}).str(),
                ErrorKind::kCorrupt, "version 2");
  ExpectFailure(Bytes()
                    .Block(1, 1)
                    .Column("l", "LowCardinality(String)")
                    .Number(uint64_t{1})
                    .Number(uint64_t{0x600})
                    .Number(uint64_t{1} << 40)
                    .str(),
                ErrorKind::kCorrupt, "keys");
}

// What 18.16 writes for arrays that are all empty, before another column, another block, and the end; and what later
// servers write.
TEST(NativeLayout, EmptyArraysOfLowCardinalityOldAndNew) {
  const auto block = [](bool old) {
    Bytes bytes;
    bytes.Block(2, 2)
        .Column("z", "UInt8")
        .Raw("xy")
        .Column("a", "Array(LowCardinality(String))")
        .Number(uint64_t{1})
        .Numbers<uint64_t>({0, 0});
    if (old) bytes.Number(uint64_t{0x600}).Number(uint64_t{1}).Text("").Number(uint64_t{0});
    return bytes.str();
  };
  for (const std::string& bytes :
       {block(true) + block(true), block(false) + block(true), block(false) + block(false)}) {
    for (int64_t size : {1, 5, 1000}) {
      const auto batches = DecodeAll(Chunked(bytes, [&] { return size; }), {});
      ASSERT_TRUE(batches.ok()) << batches.status().ToString();
      ASSERT_EQ(batches->size(), 2u);
      EXPECT_EQ(static_cast<const arrow::ListArray&>(*(*batches)[1]->column(1)).value_length(1), 0);
    }
  }
}

TEST(NativeLayout, ArrayOffsetsMustRise) {
  ExpectFailure(Bytes().Block(1, 2).Column("a", "Array(UInt8)").Numbers<uint64_t>({2, 1}).Raw("xy").str(),
                ErrorKind::kCorrupt, "offsets that fall");
  ExpectFailure(Bytes().Block(1, 1).Column("a", "Array(UInt8)").Number(uint64_t{1} << 40).str(), ErrorKind::kCorrupt,
                "array elements");
  ExpectFailure(Bytes().Block(1, 2).Column("m", "Map(UInt8, UInt8)").Numbers<uint64_t>({~uint64_t{0}, 0}).str(),
                ErrorKind::kCorrupt, "");
}

Bytes Custom(uint64_t rows, std::string_view type, std::string_view kinds) {
  Bytes bytes;
  return bytes.Raw(kBlockInfo).Block(1, rows).Column("s", type).Raw("\x01").Raw(kinds);
}

constexpr uint64_t kEnd = uint64_t{1} << 62;

TEST(NativeLayout, SparseRows) {
  NativeOptions options;
  options.revision = kNativeRevision;
  const std::string_view sparse("\x01", 1);
  const auto batch =
      DecodeOne(Custom(4, "UInt16", sparse).VarUInt(1).VarUInt(1).VarUInt(kEnd).Numbers<uint16_t>({7, 9}).str(),
                options)
          .ValueOrDie();
  EXPECT_EQ(batch->column(0)->ToString(), "[\n  0,\n  7,\n  0,\n  9\n]");
  for (const Bytes& bad :
       {Custom(4, "UInt16", sparse).VarUInt(1).VarUInt(kEnd | 1).Number(uint16_t{7}),  // ends early
        Custom(4, "UInt16", sparse).VarUInt(1).VarUInt(kEnd | 3).Number(uint16_t{7}),  // ends late
        Custom(4, "UInt16", sparse).VarUInt(4).VarUInt(kEnd),                          // a value behind the last row
        Custom(4, "UInt16", sparse).VarUInt((uint64_t{1} << 61)),                      // far behind
        Custom(4, "UInt16", sparse).VarUInt(kEnd | 4 | (uint64_t{1} << 63)),           // beyond any
        Custom(4, "UInt16", sparse).VarUInt(3).VarUInt(kEnd).Raw("x"),                 // half a value
        Custom(4, "UInt16", "\x02"), Custom(4, "UInt16", "\x04"), Custom(4, "UInt16", "\x05"),  // other kinds
        Custom(4, "Array(UInt8)", sparse), Custom(4, "LowCardinality(String)", sparse),
        Custom(4, "Map(UInt8, UInt8)", sparse), Custom(4, "Tuple(UInt8)", "\x01\x01")}) {
    EXPECT_EQ(KindOf(Failure(bad.str(), options)), ErrorKind::kCorrupt) << Failure(bad.str(), options).ToString();
  }
  // Kinds hold for one block.
  const std::string dense = Bytes()
                                .Raw(kBlockInfo)
                                .Block(1, 1)
                                .Column("s", "UInt16")
                                .Raw(std::string_view("\0", 1))
                                .Number(uint16_t{3})
                                .str();
  const std::string first = Custom(2, "UInt16", sparse).VarUInt(kEnd | 2).str();
  EXPECT_EQ(DecodeAll(Whole(first + dense), options).ValueOrDie().size(), 2u);
}

// Towards peers that ask for more, ClickHouse makes Nullable sparse: the rows listed are those that are not NULL.
TEST(NativeLayout, SparseNullable) {
  NativeOptions options;
  options.revision = kNativeRevision;
  const auto batch =
      DecodeOne(Custom(3, "Tuple(Nullable(Enum8('a' = 5)), Nullable(String))", std::string_view("\x00\x01\x01", 3))
                    .VarUInt(1)
                    .VarUInt(kEnd | 1)
                    .Raw("\x05")
                    .VarUInt(0)
                    .VarUInt(0)
                    .VarUInt(kEnd | 1)
                    .Text("x")
                    .Text("")
                    .str(),
                options);
  ASSERT_TRUE(batch.ok()) << batch.status().ToString();
  ASSERT_TRUE((*batch)->ValidateFull().ok());
  const auto& tuple = ColumnOf<arrow::StructArray>(*batch);
  EXPECT_EQ(tuple.field(0)->null_count(), 2);
  EXPECT_TRUE(tuple.field(0)->IsValid(1));
  EXPECT_EQ(static_cast<const arrow::BinaryArray&>(*tuple.field(1)).GetView(0), "x");
  EXPECT_TRUE(tuple.field(1)->IsValid(1));
  EXPECT_TRUE(tuple.field(1)->IsNull(2));
}

}  // namespace
}  // namespace calve::source
