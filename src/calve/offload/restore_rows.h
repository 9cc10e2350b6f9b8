// Which rows of cold a table lacks. Pure.
#pragma once

#include <cstdint>
#include <vector>

#include "calve/fingerprint/row_difference.h"

namespace calve::offload {

// How often each of some rows is wanted: each row added once (its hash covers the cursor, so that it is in one bucket).
// Looked up row by row as they come; not thread-safe.
class WantedRows {
 public:
  void Add(const fingerprint::RowHash& row, int64_t count) { rows_.push_back({row, count}); }
  void Sort();  // after the last Add, before the first Take
  // Whether it is still wanted; counts it.
  bool Take(const fingerprint::RowHash& row);
  bool empty() const { return rows_.empty(); }

 private:
  struct Row {
    fingerprint::RowHash row;
    int64_t count = 0;
  };
  std::vector<Row> rows_;
};

struct MissingRows {
  WantedRows wanted;
  int64_t missing = 0;  // rows of cold that the table lacks
  int64_t changed = 0;  // rows of cold whose key the table has with other values: left alone
  int64_t only_hot = 0;
};

enum class RowMatching {
  kWhole,  // a row is its values: cold's count minus the table's
  kKey,  // a key tells rows apart. What the table has of it decides: rows of cold's only: the rest is missing; others:
         // they changed
  kMerged,  // the table merges rows by key: where it has a row of it, cold's are in
};

// Sorts both sides. Without a key, entries have the row's hash for their key.
MissingRows FindMissingRows(std::vector<fingerprint::RowEntry>& hot, std::vector<fingerprint::RowEntry>& cold,
                            RowMatching identity);

}  // namespace calve::offload
