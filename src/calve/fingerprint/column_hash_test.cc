#include "calve/fingerprint/column_hash.h"

#include <gtest/gtest.h>

#include <set>

#include "calve/fingerprint/testing_arrays.h"

namespace calve::fingerprint {
namespace {

struct TypedValues {
  std::shared_ptr<arrow::DataType> type;
  std::string json;  // distinct values
};

std::vector<TypedValues> EveryType() {
  auto pair = arrow::struct_({arrow::field("a", arrow::int32()), arrow::field("b", arrow::utf8())});
  return {
      {arrow::boolean(), "[null, true, false]"},
      {arrow::int32(), "[null, 0, 1, -1, 2147483647, -2147483648]"},
      {arrow::int64(), "[null, 0, 1, -1, 9223372036854775807, -9223372036854775808, 2, 4]"},
      {arrow::float32(), "[null, 0.0, -0.0, 1.5, -1.5, NaN, Inf, -Inf]"},
      {arrow::float64(), "[null, 0.0, -0.0, 0.1, NaN, Inf, -Inf]"},
      {arrow::decimal32(9, 4), R"([null, "0.0000", "0.0001", "-0.0001", "99999.9999"])"},
      {arrow::decimal64(18, 8), R"([null, "0.00000000", "0.00000001", "-0.00000001"])"},
      {arrow::decimal128(38, 0), R"([null, "0", "1", "-1", "18446744073709551616", "-18446744073709551616",
          "9223372036854775808", "-9223372036854775809", "99999999999999999999999999999999999999"])"},
      {arrow::date32(), "[null, 0, 1, -1]"},
      {arrow::time64(arrow::TimeUnit::MICRO), "[null, 0, 1]"},
      {arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"), "[null, 0, 1, -1]"},
      {arrow::timestamp(arrow::TimeUnit::NANO), "[null, 0, 1, -1]"},
      {arrow::utf8(), R"([null, "", "a", "b", "ab", "a\u0000", "Ω", "more than sixteen bytes of it",
          "more than sixteen bytes of iT"])"},
      {arrow::binary(), R"([null, "", "a"])"},
      {arrow::fixed_size_binary(3), R"([null, "abc", "abd"])"},
      {pair, R"([null, {"a": null, "b": null}, {"a": 1, "b": ""}, {"a": 1, "b": null}, {"a": null, "b": "1"}])"},
      {arrow::list(arrow::int64()), "[null, [], [null], [null, null], [0], [1], [1, 2], [2, 1], [1, 2, 0]]"},
      {arrow::list(arrow::list(arrow::utf8())),
       R"([null, [], [[]], [null], [[], []], [["a"]], [["a"], []], [[], ["a"]], [["a", "b"]], [["a"], ["b"]]])"},
      {arrow::map(arrow::utf8(), arrow::int32()),
       R"([null, [], [["k", null]], [["k", 1]], [["k", 1], ["l", 2]], [["l", 2], ["k", 1]], [["k", 2], ["l", 1]]])"},
  };
}

TEST(ColumnHash, DistinctValuesDifferInBothLanesAndEqualOnesDoNot) {
  for (const TypedValues& values : EveryType()) {
    auto array = Values(values.type, values.json);
    std::set<uint64_t> low, high;
    for (auto [l, h] : HashesOf(*array)) {
      low.insert(l);
      high.insert(h);
      EXPECT_NE(l, h);
    }
    EXPECT_EQ(low.size(), static_cast<size_t>(array->length())) << values.type->ToString();
    EXPECT_EQ(high.size(), static_cast<size_t>(array->length())) << values.type->ToString();
    EXPECT_EQ(HashesOf(*array), HashesOf(*Values(values.type, values.json)));
  }
}

TEST(ColumnHash, SlicesAndChunksDoNotMatter) {
  for (const TypedValues& values : EveryType()) {
    auto array = Values(values.type, values.json);
    auto whole = HashesOf(*array);
    for (int64_t from = 0; from < array->length(); ++from) {
      auto rest = HashesOf(*array->Slice(from));
      EXPECT_EQ(rest, decltype(rest)(whole.begin() + from, whole.end())) << values.type->ToString();
      // A slice of a slice, and an offset that the caller gives.
      uint64_t low = 0, high = 0;
      ColumnHasher hasher(7);
      ASSERT_TRUE(hasher.Hash(*array->Slice(from / 2)->data(), from - from / 2, 1, &low, &high).ok());
      EXPECT_EQ(std::pair(low, high), whole[static_cast<size_t>(from)]) << values.type->ToString();
    }
  }
}

TEST(ColumnHash, OneFlippedBitChangesBothLanes) {
  for (const TypedValues& values : EveryType()) {
    auto array = Values(values.type, values.json);
    if (array->data()->buffers.size() < 2 || arrow::is_nested(array->type_id())) continue;
    auto before = HashesOf(*array);
    // The last buffer holds the values (or the text's bytes).
    auto data = array->data()->Copy();
    auto& buffer = data->buffers.back();
    int64_t bytes = arrow::is_base_binary_like(array->type_id()) ? buffer->size()
                    : array->type_id() == arrow::Type::BOOL      ? 0
                                                                 : array->length() * (array->type()->bit_width() / 8);
    for (int64_t bit = 0; bit < bytes * 8; ++bit) {
      std::string copy = buffer->ToString();
      copy[static_cast<size_t>(bit / 8)] ^= static_cast<char>(1 << (bit % 8));
      auto flipped = data->Copy();
      flipped->buffers.back() = arrow::Buffer::FromString(copy);
      auto after = HashesOf(*arrow::MakeArray(flipped));
      int changed = 0;
      for (size_t i = 0; i < before.size(); ++i) {
        if (before[i] == after[i]) continue;
        ++changed;
        EXPECT_NE(before[i].first, after[i].first);
        EXPECT_NE(before[i].second, after[i].second);
      }
      bool may_hide = arrow::is_floating(array->type_id()) || array->null_count() > 0;  // NaN's payload; under a null
      EXPECT_TRUE(changed == 1 || (may_hide && changed == 0)) << values.type->ToString() << " bit " << bit;
    }
  }
}

TEST(ColumnHash, GoesByValueNotByEncoding) {
  auto plain = Values(arrow::utf8(), R"(["x", null, "", "y", "x"])");
  for (const auto& index : {arrow::int8(), arrow::uint16(), arrow::int32(), arrow::int64()}) {
    auto encoded = Values(arrow::dictionary(index, arrow::utf8()), R"(["x", null, "", "y", "x"])");
    EXPECT_EQ(HashesOf(*plain), HashesOf(*encoded));
    EXPECT_EQ(HashesOf(*plain->Slice(1)), HashesOf(*encoded->Slice(1)));
  }
  EXPECT_EQ(HashesOf(*plain), HashesOf(*Values(arrow::binary(), R"(["x", null, "", "y", "x"])")));
  // A null inside the dictionary is as null as one in the indexes.
  auto words = Values(arrow::utf8(), R"([null, "x", "", "y"])");
  auto indexes = Values(arrow::int32(), "[1, 0, 2, 3, 1]");
  auto with_null = arrow::DictionaryArray::FromArrays(arrow::dictionary(arrow::int32(), arrow::utf8()), indexes, words);
  EXPECT_EQ(HashesOf(*plain), HashesOf(**with_null));

  auto narrow = Values(arrow::decimal64(18, 2), R"(["-1.50", null, "9999999999999999.99"])");
  EXPECT_EQ(HashesOf(*narrow),
            HashesOf(*Values(arrow::decimal128(38, 2), R"(["-1.50", null, "9999999999999999.99"])")));
  EXPECT_EQ(HashesOf(*Values(arrow::decimal32(9, 2), R"(["-1.50", null])")),
            HashesOf(*Values(arrow::decimal128(38, 2), R"(["-1.50", null])")));
  EXPECT_EQ(HashesOf(*Values(arrow::int32(), "[-5, null]")), HashesOf(*Values(arrow::int64(), "[-5, null]")));
  EXPECT_EQ(HashesOf(*Values(arrow::float32(), "[-0.5, NaN]")), HashesOf(*Values(arrow::float64(), "[-0.5, NaN]")));
}

TEST(ColumnHash, AllNaNsAreOneValue) {
  auto bits = Values(arrow::int64(), "[9221120237041090560, -2251799813685248, 9218868437227405313]");
  auto data = bits->data()->Copy();
  data->type = arrow::float64();
  auto hashes = HashesOf(*arrow::MakeArray(data));
  EXPECT_EQ(hashes[0], hashes[1]);
  EXPECT_EQ(hashes[0], hashes[2]);
}

TEST(ColumnHash, ColumnsHaveSeedsOfTheirOwn) {
  for (const TypedValues& values : EveryType()) {
    auto array = Values(values.type, values.json);
    auto one = HashesOf(*array, 1), two = HashesOf(*array, 2);
    for (size_t i = 0; i < one.size(); ++i) EXPECT_NE(one[i], two[i]) << values.type->ToString();
  }
}

TEST(ColumnHash, NewDictionariesAreSeen) {
  ColumnHasher hasher(7);
  auto type = arrow::dictionary(arrow::int32(), arrow::utf8());
  for (const char* json : {R"(["a", "b"])", R"(["b", "a"])", R"(["c", "a"])"}) {
    std::vector<uint64_t> low(2), high(2);
    ASSERT_TRUE(hasher.Hash(*Values(type, json)->data(), 0, 2, low.data(), high.data()).ok());
    auto plain = HashesOf(*Values(arrow::utf8(), json));
    EXPECT_EQ(low, (std::vector<uint64_t>{plain[0].first, plain[1].first})) << json;
  }
}

TEST(ColumnHash, RefusesWhatNoColumnIs) {
  std::vector<uint64_t> low(1), high(1);
  auto array = Values(arrow::uint8(), "[1]");
  EXPECT_EQ(KindOf(ColumnHasher(1).Hash(*array->data(), 0, 1, low.data(), high.data())), ErrorKind::kUnsupported);
  // An index beyond the dictionary must not be followed.
  auto words = Values(arrow::utf8(), R"(["x"])");
  auto wild = arrow::ArrayData::Make(arrow::dictionary(arrow::int32(), arrow::utf8()), 1,
                                     Values(arrow::int32(), "[7]")->data()->buffers, 0);
  wild->dictionary = words->data();
  EXPECT_EQ(KindOf(ColumnHasher(1).Hash(*wild, 0, 1, low.data(), high.data())), ErrorKind::kCorrupt);
}

}  // namespace
}  // namespace calve::fingerprint
