#include "calve/datafile/row_selection.h"

#include <arrow/compute/api_vector.h>

#include <numeric>

namespace calve::datafile {

void RowSelection::Reset(int64_t rows) {
  mask_.assign(static_cast<size_t>(rows), 1);
  count_ = end_ = rows;
  begin_ = 0;
  indices_.reset();
}

Status RowSelection::Close() {
  count_ = std::accumulate(mask_.begin(), mask_.end(), int64_t{0});
  begin_ = std::find(mask_.begin(), mask_.end(), 1) - mask_.begin();
  end_ = mask_.rend() - std::find(mask_.rbegin(), mask_.rend(), 1);
  if (count_ == 0) begin_ = end_ = 0;
  indices_.reset();
  if (one_piece()) return Status::OK();
  arrow::Int32Builder indices;
  ARROW_RETURN_NOT_OK(indices.Reserve(count_));
  for (int64_t i = begin_; i < end_; ++i) {
    if (mask_[static_cast<size_t>(i)] != 0) indices.UnsafeAppend(static_cast<int32_t>(i));
  }
  return indices.Finish().Value(&indices_);
}

Result<std::shared_ptr<arrow::Array>> RowSelection::Apply(const std::shared_ptr<arrow::Array>& array) const {
  if (all()) return array;
  if (one_piece()) return array->Slice(begin_, count_);
  return arrow::compute::Take(*array, *indices_, arrow::compute::TakeOptions::NoBoundsCheck());
}

void RowSelection::Positions(int64_t first_row, std::vector<int64_t>& positions) const {
  positions.resize(static_cast<size_t>(count_));
  if (one_piece()) {
    std::iota(positions.begin(), positions.end(), first_row + begin_);
    return;
  }
  size_t next = 0;
  for (int64_t i = begin_; i < end_; ++i) {
    if (mask_[static_cast<size_t>(i)] != 0) positions[next++] = first_row + i;
  }
}

}  // namespace calve::datafile
