#include "calve/offload/slice_ranges.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

namespace calve::offload {
namespace {

using ::testing::ElementsAre;

using SliceTuple = std::vector<std::optional<int>>;  // nullopt: NULL

struct SliceRow {
  std::string partition;
  SliceTuple key;

  auto operator<=>(const SliceRow&) const = default;  // NULL first
};

KeyColumn SliceColumn(const std::string& name, const std::string& type) {
  const auto parsed = source::ParseClickHouseType(type).ValueOrDie();
  return {name, parsed.Unwrapped(), parsed.IsNullable()};
}

KeyValue SliceValue(const std::optional<int>& value) {
  return value ? KeyValue{false, std::to_string(*value)} : KeyValue{true, ""};
}

std::vector<KeyValue> SliceKey(const SliceTuple& tuple) {
  std::vector<KeyValue> key;
  for (const auto& value : tuple) key.push_back(SliceValue(value));
  return key;
}

// As ClickHouse does it: a comparison with NULL is not true.
bool Holds(const KeyComparison& comparison, const SliceRow& row) {
  using Op = KeyComparison::Operator;
  const auto& have = row.key[comparison.column];
  const auto& value = comparison.value;
  if (value.null) {
    EXPECT_TRUE(comparison.op == Op::kEqual || comparison.op == Op::kGreater);
    return comparison.op == Op::kEqual ? !have : have.has_value();
  }
  if (!have) return comparison.op == Op::kLessOrNull;
  const int bound = std::stoi(value.text);
  switch (comparison.op) {
    case Op::kEqual:
      return *have == bound;
    case Op::kLess:
    case Op::kLessOrNull:
      return *have < bound;
    case Op::kGreater:
      return *have > bound;
    case Op::kGreaterOrEqual:
      return *have >= bound;
  }
  return false;
}

// Ranges with their comparisons.
class SliceModel {
 public:
  explicit SliceModel(const std::vector<KeyRange>& ranges) : ranges_(ranges) {
    for (const KeyRange& range : ranges) alternatives_.push_back(RangeComparisons(range));
  }

  // Of the ranges, those that have the row.
  std::vector<size_t> RangesOf(const SliceRow& row) const {
    std::vector<size_t> found;
    for (size_t i = 0; i < ranges_.size(); ++i) {
      if (IsIn(i, row)) found.push_back(i);
    }
    return found;
  }

 private:
  bool IsIn(size_t i, const SliceRow& row) const {
    const KeyRange& range = ranges_[i];
    if (!range.partition_low.empty() && row.partition < range.partition_low) return false;
    if (!range.partition_high.empty() && row.partition >= range.partition_high) return false;
    int fulfilled = 0;
    for (const auto& comparisons : alternatives_[i]) {
      fulfilled +=
          std::all_of(comparisons.begin(), comparisons.end(), [&](const auto& one) { return Holds(one, row); });
    }
    EXPECT_LE(fulfilled, 1) << "alternatives overlap";
    return fulfilled > 0;
  }

  const std::vector<KeyRange>& ranges_;
  std::vector<std::vector<std::vector<KeyComparison>>> alternatives_;
};

// Tables of every shape: few and many values, NULL in some columns, one to four columns, partitions or none. What is
// cut by some of the rows holds for all others, wherever they are: they are inserted later.
TEST(SliceRanges, EveryRowIsInOneAndNoneIsTooLarge) {
  std::mt19937_64 random(11);
  const auto below = [&](int n) { return static_cast<int>(random() % static_cast<uint64_t>(n)); };
  for (int round = 0; round < 500; ++round) {
    std::vector<KeyColumn> columns;
    std::vector<int> spread;
    for (int i = 1 + below(4); i > 0; --i) {
      columns.push_back(SliceColumn("c" + std::to_string(i), below(2) == 0 ? "Nullable(Int32)" : "Int32"));
      spread.push_back(1 + below(i == 1 ? 60 : 6));
    }
    const int partitions = below(3) == 0 ? 1 + below(9) : 0;
    const auto random_row = [&](int margin) {
      SliceRow row;
      if (partitions > 0) row.partition = "p" + std::to_string(below(partitions + margin));
      for (size_t i = 0; i < columns.size(); ++i) {
        const bool is_null = columns[i].nullable && below(4) == 0;
        row.key.push_back(is_null ? std::nullopt : std::optional(below(spread[i] + 2 * margin) - margin));
      }
      return row;
    };
    std::vector<SliceRow> rows(static_cast<size_t>(below(400)));
    for (SliceRow& row : rows) row = random_row(0);
    std::sort(rows.begin(), rows.end());
    std::vector<KeySample> samples;
    for (const SliceRow& row : rows) samples.push_back({row.partition, SliceKey(row.key), 1});
    const int64_t rows_max = 1 + below(60);
    const auto ranges = CutRanges(columns, samples, rows_max);
    const SliceModel model(ranges);

    std::vector<int64_t> counts(ranges.size());
    std::vector<std::set<SliceRow>> keys(ranges.size());
    for (const SliceRow& row : rows) {
      const auto found = model.RangesOf(row);
      ASSERT_EQ(found.size(), 1u);
      ++counts[found[0]];
      keys[found[0]].insert(row);
    }
    for (size_t i = 0; i < ranges.size(); ++i) {
      ASSERT_EQ(counts[i], ranges[i].rows);
      ASSERT_TRUE(2 * counts[i] <= 3 * rows_max || keys[i].size() == 1) << counts[i] << " of " << rows_max;
      ASSERT_TRUE(counts[i] > 0 || rows.empty());
    }
    const auto count = static_cast<int64_t>(rows.size());
    ASSERT_LE(static_cast<int64_t>(ranges.size()), 2 * count / rows_max + std::max(1, partitions))
        << count << " rows by " << rows_max;
    for (int i = 0; i < 60; ++i) ASSERT_EQ(model.RangesOf(random_row(3)).size(), 1u);
  }
}

// Whatever order they come in: what is not greater than the key before is no place to cut.
TEST(SliceRanges, AnOrderThatIsNotCalvesIsNotCutBy) {
  std::mt19937_64 random(12);
  const auto below = [&](int n) { return static_cast<int>(random() % static_cast<uint64_t>(n)); };
  const std::vector<KeyColumn> columns = {SliceColumn("a", "Nullable(Int32)"), SliceColumn("b", "Int32")};
  const auto random_row = [&] {
    return SliceRow{"p" + std::to_string(below(3)),
                    {below(5) == 0 ? std::nullopt : std::optional(below(9)), below(9) - 4}};
  };
  for (int round = 0; round < 300; ++round) {
    std::vector<KeySample> samples;
    for (int i = 0; i < 50; ++i) {
      const SliceRow row = random_row();
      samples.push_back({row.partition, SliceKey(row.key), 1});
    }
    const auto ranges = CutRanges(columns, samples, 5);
    const SliceModel model(ranges);
    for (int i = 0; i < 100; ++i) ASSERT_EQ(model.RangesOf(random_row()).size(), 1u);
  }
}

TEST(SliceRanges, NothingToCut) {
  const std::vector<KeyColumn> columns = {SliceColumn("a", "Int32")};
  EXPECT_THAT(CutRanges(columns, {}, 10), ElementsAre(KeyRange{}));
  EXPECT_EQ(RangeCondition(columns, KeyRange{}), "");
  // One key is not cut, however many rows it has.
  EXPECT_THAT(CutRanges(columns, {{"", SliceKey({7}), 99}, {"", SliceKey({7}), 99}}, 10),
              ElementsAre(KeyRange{"", "", {}, {}, 198}));
}

TEST(SliceRanges, FewColumnsAreTakenWhereTheyDo) {
  const std::vector<KeyColumn> columns = {SliceColumn("a", "Int32"), SliceColumn("b", "Int32")};
  std::vector<KeySample> samples;
  for (int i = 0; i < 200; ++i) samples.push_back({"", SliceKey({i / 95, i}), 1});
  const auto ranges = CutRanges(columns, samples, 100);
  ASSERT_EQ(ranges.size(), 2u);
  EXPECT_EQ(ranges[0].high, SliceKey({1})) << "95 rows, not 100 and a second column";
  EXPECT_EQ(ranges[0].rows, 95);
}

// A value with more rows than a slice may have is alone, and small neighbours are together.
TEST(SliceRanges, AHeavyKey) {
  const std::vector<KeyColumn> columns = {SliceColumn("a", "Int32")};
  std::vector<KeySample> samples;
  for (int i = 0; i < 20; ++i) samples.push_back({"", SliceKey({i}), i == 7 ? 1000 : 10});
  const auto ranges = CutRanges(columns, samples, 100);
  ASSERT_EQ(ranges.size(), 4u);
  EXPECT_EQ(ranges[1], (KeyRange{"", "", SliceKey({7}), SliceKey({8}), 1000}));
  EXPECT_EQ(ranges[0].rows, 70);
}

// Small partitions are together, a large one is cut, and none of its slices reads another.
TEST(SliceRanges, Partitions) {
  const std::vector<KeyColumn> columns = {SliceColumn("a", "Int32")};
  std::vector<KeySample> samples = {{"20240101", SliceKey({1}), 30}, {"20240102", SliceKey({1}), 30}};
  for (int i = 0; i < 20; ++i) samples.push_back({"20240103", SliceKey({i}), 10});
  samples.push_back({"20240104", SliceKey({1}), 5});
  const auto ranges = CutRanges(columns, samples, 100);
  std::vector<std::string> conditions;
  for (const KeyRange& range : ranges) conditions.push_back(RangeCondition(columns, range));
  EXPECT_THAT(conditions,
              ElementsAre("_t._partition_id < '20240103'",
                          "_t._partition_id >= '20240103' AND _t._partition_id < '20240104' AND _t.`a` < 10",
                          "_t._partition_id >= '20240103' AND _t._partition_id < '20240104' AND _t.`a` >= 10",
                          "_t._partition_id >= '20240104'"));
}

TEST(SliceRanges, Conditions) {
  const std::vector<KeyColumn> columns = {SliceColumn("a", "Nullable(Int32)"), SliceColumn("b", "String"),
                                          SliceColumn("ts", "DateTime64(3)")};
  const KeyValue one{false, "1"}, two{false, "2"}, x{false, "x"}, y{false, "y"}, at{false, "1500000"}, null{true, ""};
  const auto condition = [&](std::vector<KeyValue> low, std::vector<KeyValue> high) {
    return RangeCondition(columns, KeyRange{"", "", std::move(low), std::move(high), 0});
  };
  const std::string instant = "toDateTime64('1970-01-01 00:00:01.500', 3, 'UTC')";
  EXPECT_EQ(condition({}, {one}), "(_t.`a` < 1 OR isNull(_t.`a`))");
  EXPECT_EQ(condition({one}, {two}), "_t.`a` >= 1 AND _t.`a` < 2");
  EXPECT_EQ(condition({one, x}, {one, y}), "_t.`a` = 1 AND _t.`b` >= 'x' AND _t.`b` < 'y'");
  EXPECT_EQ(condition({one, x, at}, {one, y}), "((_t.`a` = 1 AND _t.`b` = 'x' AND _t.`ts` >= " + instant +
                                                   ") OR (_t.`a` = 1 AND _t.`b` > 'x' AND _t.`b` < 'y'))");
  EXPECT_EQ(condition({one}, {one, x}), "_t.`a` = 1 AND _t.`b` < 'x'");
  EXPECT_EQ(condition({null, x}, {one, y}),
            "((isNull(_t.`a`) AND _t.`b` >= 'x') OR (isNotNull(_t.`a`) AND _t.`a` < 1) OR (_t.`a` = 1 AND _t.`b` < "
            "'y'))");
  EXPECT_EQ(condition({}, {null, x}), "isNull(_t.`a`) AND _t.`b` < 'x'");
}

}  // namespace
}  // namespace calve::offload
