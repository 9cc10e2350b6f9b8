#include "calve/offload/slice_ranges.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace calve::offload {
namespace {

using Op = KeyComparison::Operator;

// Rows of one key, or of several that nobody can tell apart.
struct KeyLeaf {
  const KeySample* sample = nullptr;  // the first of them
  size_t depth = 0;                   // the first column that differs from the leaf before
  double rows = 0;
};

// What may be cut between: each key greater than the one before, by calve's own order as well as by ClickHouse's.
std::vector<KeyLeaf> LeavesOf(const std::vector<KeyColumn>& columns, const KeySample* begin, const KeySample* end) {
  std::vector<KeyLeaf> leaves;
  for (const KeySample* sample = begin; sample != end; ++sample) {
    size_t depth = 0;
    bool is_greater = leaves.empty();
    if (!leaves.empty()) {
      const auto& before = leaves.back().sample->key;
      while (depth < columns.size() && sample->key[depth] == before[depth]) {
        depth = before[depth].is_beginning ? columns.size() : depth + 1;
      }
      is_greater = depth < columns.size() && CompareKeys(columns[depth], sample->key[depth], before[depth]) > 0;
    }
    if (is_greater) leaves.push_back({sample, depth, 0});
    leaves.back().rows += static_cast<double>(sample->rows);
  }
  return leaves;
}

// The leaves at which a new slice begins.
class LeafCutter {
 public:
  LeafCutter(const std::vector<KeyLeaf>& leaves, double rows_max) : leaves_(leaves), rows_max_(rows_max) {
    for (const KeyLeaf& leaf : leaves) rest_ += leaf.rows;
  }

  std::vector<size_t> Cut() {
    std::vector<size_t> cuts;
    size_t begin = 0;
    // What is left is spread evenly, so that no crumb stays at the end.
    while (rest_ > kMost * rows_max_) {
      const double target = rest_ / std::ceil(rest_ / rows_max_);
      const size_t end = NextCut(begin, target);
      if (end == leaves_.size()) break;
      for (; begin < end; ++begin) rest_ -= leaves_[begin].rows;
      cuts.push_back(end);
    }
    return cuts;
  }

 private:
  // Near the target the cut that needs the fewest columns; else the last one before it, or the first one after it.
  size_t NextCut(size_t begin, double target) const {
    size_t best = 0, before = 0;
    double best_distance = 0, before_rows = 0, rows = leaves_[begin].rows;
    size_t at = begin + 1;
    for (; at < leaves_.size() && rows <= kMost * target; rows += leaves_[at++].rows) {
      if (rows < kLeast * target) {
        before = at;
        before_rows = rows;
        continue;
      }
      const double distance = std::abs(rows - target);
      const size_t depth = leaves_[at].depth;
      if (best == 0 || depth < leaves_[best].depth || (depth == leaves_[best].depth && distance < best_distance)) {
        best = at;
        best_distance = distance;
      }
    }
    if (best != 0) return best;
    // A key with many rows is next. It is better alone than a slice too large for the sake of a few rows before it.
    if (before == 0 || (rows <= std::max(kTooMany * target, rows_max_) && before_rows < kFew * target)) return at;
    return before;
  }

  static constexpr double kLeast = 0.85, kMost = 1.08, kTooMany = 1.25, kFew = 0.5;
  const std::vector<KeyLeaf>& leaves_;
  const double rows_max_;
  double rest_ = 0;
};

std::vector<KeyValue> BoundAt(const KeyLeaf& leaf) {
  return {leaf.sample->key.begin(), leaf.sample->key.begin() + static_cast<std::ptrdiff_t>(leaf.depth) + 1};
}

// Whole partitions, neighbours, or one that is to be cut.
struct PartitionGroup {
  const KeySample* begin = nullptr;
  const KeySample* end = nullptr;
  int64_t rows = 0;
};

std::vector<PartitionGroup> GroupPartitions(const std::vector<KeySample>& samples, int64_t rows_max) {
  std::vector<PartitionGroup> groups;
  const KeySample* const end = samples.data() + samples.size();
  for (const KeySample* at = samples.data(); at != end;) {
    PartitionGroup next{at, at, 0};
    // Ids that are not in order as text belong to what was before.
    for (; next.end != end && next.end->partition <= at->partition; ++next.end) next.rows += next.end->rows;
    at = next.end;
    if (!groups.empty() && groups.back().rows + next.rows <= rows_max) {
      groups.back().rows += next.rows;
      groups.back().end = next.end;
    } else {
      groups.push_back(next);
    }
  }
  return groups;
}

std::string Render(const KeyColumn& column, const KeyComparison& comparison) {
  const std::string name = KeyName(column);
  const bool null = comparison.value.null;
  switch (comparison.op) {
    case Op::kEqual:
      return null ? fmt::format("isNull({})", name)
                  : fmt::format("{} = {}", name, KeyLiteral(column, comparison.value));
    case Op::kLess:
      return fmt::format("{} < {}", name, KeyLiteral(column, comparison.value));
    case Op::kLessOrNull:
      if (!column.nullable) return fmt::format("{} < {}", name, KeyLiteral(column, comparison.value));
      return fmt::format("({0} < {1} OR isNull({0}))", name, KeyLiteral(column, comparison.value));
    case Op::kGreater:
      return null ? fmt::format("isNotNull({})", name)
                  : fmt::format("{} > {}", name, KeyLiteral(column, comparison.value));
    case Op::kGreaterOrEqual:
      return fmt::format("{} >= {}", name, KeyLiteral(column, comparison.value));
  }
  return "";
}

}  // namespace

std::vector<KeyRange> CutRanges(const std::vector<KeyColumn>& columns, const std::vector<KeySample>& samples,
                                int64_t rows_max) {
  std::vector<KeyRange> ranges;
  for (const PartitionGroup& group : GroupPartitions(samples, rows_max)) {
    KeyRange range;
    if (!ranges.empty()) {
      range.partition_low = group.begin->partition;
      // All ranges of the partition before.
      for (auto before = ranges.rbegin(); before != ranges.rend() && before->partition_high.empty(); ++before) {
        before->partition_high = range.partition_low;
      }
    }
    const bool is_one = (group.end - 1)->partition == group.begin->partition;
    const std::vector<KeyLeaf> leaves =
        is_one ? LeavesOf(columns, group.begin, group.end) : std::vector<KeyLeaf>{{group.begin, 0, 0}};
    std::vector<size_t> cuts = LeafCutter(leaves, static_cast<double>(rows_max)).Cut();
    size_t begin = 0;
    cuts.push_back(leaves.size());
    for (const size_t cut : cuts) {
      double rows = 0;
      for (; begin < cut; ++begin) rows += leaves[begin].rows;
      range.rows = is_one ? std::llround(rows) : group.rows;
      range.high = cut < leaves.size() ? BoundAt(leaves[cut]) : std::vector<KeyValue>{};
      ranges.push_back(range);
      range.low = range.high;
    }
  }
  if (ranges.empty()) ranges.emplace_back();
  return ranges;
}

std::vector<std::vector<KeyComparison>> RangeComparisons(const KeyRange& range) {
  const auto& low = range.low;
  const auto& high = range.high;
  std::vector<KeyComparison> same;
  while (same.size() < std::min(low.size(), high.size()) && low[same.size()] == high[same.size()]) {
    same.push_back({same.size(), Op::kEqual, low[same.size()]});
  }
  const size_t first = same.size();
  const auto greater = [&](size_t i) {
    return KeyComparison{i, i + 1 == low.size() ? Op::kGreaterOrEqual : Op::kGreater, low[i]};
  };
  std::vector<std::vector<KeyComparison>> alternatives;
  const auto add_edge = [&](const std::vector<KeyValue>& bound, size_t last, const KeyComparison& comparison) {
    if (comparison.op == Op::kLessOrNull && comparison.value.null) return;  // no value is
    alternatives.push_back(same);
    for (size_t i = first; i < last; ++i) alternatives.back().push_back({i, Op::kEqual, bound[i]});
    alternatives.back().push_back(comparison);
  };
  // From the low bound's last column outwards, then inwards to the high bound's: the rows' order.
  for (size_t i = low.size(); i-- > first + 1;) add_edge(low, i, greater(i));
  if (high.size() == first || !high[first].null) {  // nothing is below NULL
    alternatives.push_back(same);
    if (low.size() > first) alternatives.back().push_back(greater(first));
    // NULL is below every bound, and so out of a range that has a low one.
    if (high.size() > first) {
      alternatives.back().push_back({first, low.size() > first ? Op::kLess : Op::kLessOrNull, high[first]});
    }
  }
  for (size_t i = first + 1; i < high.size(); ++i) add_edge(high, i, {i, Op::kLessOrNull, high[i]});
  return alternatives;
}

std::string RangeCondition(const std::vector<KeyColumn>& columns, const KeyRange& range) {
  std::string condition;
  const auto also = [&](const std::string& more) { condition += (condition.empty() ? "" : " AND ") + more; };
  const std::string partition = fmt::format("{}._partition_id", kTableAlias);
  if (!range.partition_low.empty()) {
    also(fmt::format("{} >= {}", partition, source::QuoteString(range.partition_low)));
  }
  if (!range.partition_high.empty()) {
    also(fmt::format("{} < {}", partition, source::QuoteString(range.partition_high)));
  }
  std::string any;
  const auto alternatives = RangeComparisons(range);
  for (const auto& comparisons : alternatives) {
    std::string all;
    for (const KeyComparison& comparison : comparisons) {
      all += (all.empty() ? "" : " AND ") + Render(columns[comparison.column], comparison);
    }
    if (alternatives.size() > 1) all = "(" + all + ")";
    any += (any.empty() ? "" : " OR ") + all;
  }
  if (any.empty()) return condition;
  also(alternatives.size() > 1 ? "(" + any + ")" : any);
  return condition;
}

}  // namespace calve::offload
