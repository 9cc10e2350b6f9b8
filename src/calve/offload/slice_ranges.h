// Where to cut: from keys that stand for some rows each, in order, to ranges of keys and conditions. Pure.
//
// Keys are ordered as tuples, NULL first. A range is [low, high) in that order; a bound is a tuple, or the beginning of
// one, which is less than every tuple that begins with it. So two ranges that share a bound meet there, whatever rows
// there are, and the first and the last one are open.
#pragma once

#include <string>
#include <vector>

#include "calve/offload/slice_key.h"

namespace calve::offload {

struct KeySample {
  std::string partition;  // its id; empty where nobody cuts by partition
  std::vector<KeyValue> key;
  int64_t rows = 0;  // that it stands for: itself, and those up to the next one
};

struct KeyRange {
  // Of partition ids as text, [low, high); empty: open.
  std::string partition_low, partition_high;
  std::vector<KeyValue> low, high;  // empty: open
  int64_t rows = 0;                 // about

  friend bool operator==(const KeyRange&, const KeyRange&) = default;
};

// Ranges of about `rows_max` rows, in order; each in one partition, or of whole partitions that are neighbours.
// `samples` are in ClickHouse's order, by partition and key. At least one range.
std::vector<KeyRange> CutRanges(const std::vector<KeyColumn>& columns, const std::vector<KeySample>& samples,
                                int64_t rows_max);

// A comparison of a column with a constant.
struct KeyComparison {
  enum class Operator { kEqual, kLess, kLessOrNull, kGreater, kGreaterOrEqual };
  size_t column = 0;  // of the columns that were cut along
  Operator op = Operator::kEqual;
  KeyValue value;
};

// A range of keys as alternatives of comparisons that all have to hold: the form by which ClickHouse prunes. A row
// fulfils at most one alternative. Where the only one is empty, all rows do.
std::vector<std::vector<KeyComparison>> RangeComparisons(const KeyRange& range);

// "_t._partition_id >= '…' AND (…)"; empty where the range is open on all sides.
std::string RangeCondition(const std::vector<KeyColumn>& columns, const KeyRange& range);

}  // namespace calve::offload
