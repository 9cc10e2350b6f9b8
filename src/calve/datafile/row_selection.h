// Which rows of a batch are kept.
#pragma once

#include <arrow/array.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "calve/base/error.h"

namespace calve::datafile {

// Rows of one batch; filters take rows away.
class RowSelection {
 public:
  // All of `rows`.
  void Reset(int64_t rows);

  // 1 for a row that is kept, 0 for one that is not; a filter clears what it takes away.
  std::vector<uint8_t>& mask() { return mask_; }
  // To be called once the mask is done, before what follows.
  Status Close();

  int64_t count() const { return count_; }
  bool all() const { return count_ == static_cast<int64_t>(mask_.size()); }
  // The kept rows of an array of the batch: itself, a slice without copying where they are in one piece, or a copy.
  Result<std::shared_ptr<arrow::Array>> Apply(const std::shared_ptr<arrow::Array>& array) const;
  // Positions of the kept rows, the batch's first row being at `first_row`.
  void Positions(int64_t first_row, std::vector<int64_t>& positions) const;

 private:
  bool one_piece() const { return end_ - begin_ == count_; }

  std::vector<uint8_t> mask_;
  int64_t count_ = 0;
  int64_t begin_ = 0;                      // the first row that is kept
  int64_t end_ = 0;                        // behind the last one
  std::shared_ptr<arrow::Array> indices_;  // of what is kept, where it is not in one piece
};

}  // namespace calve::datafile
