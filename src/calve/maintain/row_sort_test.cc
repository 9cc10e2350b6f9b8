#include "calve/maintain/row_sort.h"

#include <arrow/array/array_binary.h>
#include <arrow/array/array_primitive.h>
#include <arrow/array/builder_binary.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/type.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <tuple>

namespace calve::maintain {
namespace {

iceberg::Schema TwoColumns() {
  iceberg::Schema schema;
  schema.fields = {{1, "symbol", false, iceberg::Type::Of(iceberg::TypeId::kString), ""},
                   {2, "sequence", false, iceberg::Type::Of(iceberg::TypeId::kLong), ""},
                   {3, "price", false, iceberg::Type::Of(iceberg::TypeId::kDouble), ""}};
  return schema;
}

iceberg::SortField By(int id, bool ascending, bool nulls_first, const char* transform = "identity") {
  return {id, iceberg::ParseTransform(transform), ascending, nulls_first};
}

TEST(SortRows, RandomRowsAsTheStandardLibrarySortsThem) {
  // Nulls first or last whichever way the values go.
  using Row = std::tuple<int, std::string, int, int64_t, int>;  // null?, symbol, null?, -sequence, as it came
  std::mt19937_64 random(7);
  for (int round = 0; round < 50; ++round) {
    std::vector<Row> expected;
    std::vector<std::shared_ptr<arrow::RecordBatch>> batches;
    int number = 0;
    for (uint64_t batch = 1 + random() % 4; batch > 0; --batch) {
      arrow::StringBuilder symbols;
      arrow::Int64Builder sequences;
      arrow::DoubleBuilder prices;
      for (uint64_t i = random() % 40; i > 0; --i) {
        const std::string symbol(1, static_cast<char>('a' + random() % 3));
        const auto sequence = static_cast<int64_t>(random() % 5) - 2;
        const bool no_symbol = random() % 6 == 0, no_sequence = random() % 6 == 0;
        ASSERT_TRUE((no_symbol ? symbols.AppendNull() : symbols.Append(symbol)).ok());
        ASSERT_TRUE((no_sequence ? sequences.AppendNull() : sequences.Append(sequence)).ok());
        ASSERT_TRUE(prices.Append(number).ok());
        expected.emplace_back(no_symbol ? 0 : 1, no_symbol ? "" : symbol, no_sequence ? 1 : 0,
                              no_sequence ? 0 : -sequence, number++);
      }
      auto columns = arrow::ArrayVector{*symbols.Finish(), *sequences.Finish(), *prices.Finish()};
      const auto schema =
          arrow::schema({arrow::field("symbol", arrow::utf8()), arrow::field("sequence", arrow::int64()),
                         arrow::field("price", arrow::float64())});
      batches.push_back(arrow::RecordBatch::Make(schema, columns[0]->length(), columns));
    }
    std::sort(expected.begin(), expected.end());
    const iceberg::SortOrder order{1, {By(1, true, true), By(2, false, false)}};
    std::vector<int> found;
    for (const auto& batch : SortRows(TwoColumns(), order, batches, 16).ValueOrDie()) {
      ASSERT_LE(batch->num_rows(), 16);
      const auto& prices = static_cast<const arrow::DoubleArray&>(*batch->column(2));
      for (int64_t i = 0; i < prices.length(); ++i) found.push_back(static_cast<int>(prices.Value(i)));
    }
    ASSERT_EQ(found.size(), expected.size());
    for (size_t i = 0; i < found.size(); ++i) ASSERT_EQ(found[i], std::get<4>(expected[i])) << round << ", row " << i;
  }
}

TEST(SortRows, WhatIsNotSorted) {
  const iceberg::Schema schema = TwoColumns();
  EXPECT_TRUE(CanSort(schema, {1, {By(1, true, true), By(2, false, false)}}));
  EXPECT_FALSE(CanSort(schema, {0, {}}));
  EXPECT_FALSE(CanSort(schema, {1, {By(3, true, true)}}));
  EXPECT_FALSE(CanSort(schema, {1, {By(1, true, true, "bucket[4]")}}));
  EXPECT_FALSE(CanSort(schema, {1, {By(9, true, true)}}));
}

}  // namespace
}  // namespace calve::maintain
