// One slice of a window: the rows that fulfil a condition.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace calve::offload {

struct SliceRange {
  // A ClickHouse condition over columns of `_t` (kTableAlias) that says all: it holds the window, too, so that a SELECT
  // is made of it alone (RowsClause). Never empty.
  std::string where;
  std::optional<int> shard;
  // Of the rows that were there when they were counted (CountSlices).
  int64_t rows = 0;
  uint64_t fingerprint = 0;

  friend bool operator==(const SliceRange&, const SliceRange&) = default;
};

}  // namespace calve::offload
