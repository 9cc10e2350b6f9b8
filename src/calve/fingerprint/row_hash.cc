#include "calve/fingerprint/row_hash.h"

#include <fmt/format.h>

#include <algorithm>

namespace calve::fingerprint {
namespace {

void Accumulate(const std::vector<uint64_t>& from, std::vector<uint64_t>& to, size_t count) {
  for (size_t i = 0; i < count; ++i) to[i] += from[i];
}

// Not linear in the columns' hashes: else the sum over rows would not see values that rows exchange.
void Finish(const std::vector<uint64_t>& low, const std::vector<uint64_t>& high, std::vector<RowHash>& out,
            size_t count) {
  out.resize(count);
  for (size_t i = 0; i < count; ++i) {
    Lanes lanes = MixLanes(low[i], high[i]);
    out[i] = RowHash{lanes.high, lanes.low};
  }
}

}  // namespace

RowHasher::RowHasher(const std::vector<int>& column_ids, std::vector<std::vector<int>> subsets)
    : values_(column_ids.size(), std::vector<uint64_t>(kChunkRows)), other_(kChunkRows) {
  for (int id : column_ids) columns_.emplace_back(static_cast<uint64_t>(id));
  auto sums = [](std::vector<int> columns) {
    return Sums{std::move(columns), std::vector<uint64_t>(kChunkRows), std::vector<uint64_t>(kChunkRows), {}};
  };
  row_ = sums({});
  for (auto& subset : subsets) subsets_.push_back(sums(std::move(subset)));
}

Status RowHasher::Hash(const arrow::RecordBatch& batch, int64_t offset, int64_t length) {
  if (batch.num_columns() != static_cast<int>(columns_.size()) || length > kChunkRows) {
    return MakeError(ErrorKind::kFailed, fmt::format("a batch of {} columns to hash, where {} were announced",
                                                     batch.num_columns(), columns_.size()));
  }
  const auto count = static_cast<size_t>(length);
  auto clear = [&](Sums& sums) {
    std::fill_n(sums.low.begin(), count, 0);
    std::fill_n(sums.high.begin(), count, 0);
  };
  clear(row_);
  for (Sums& subset : subsets_) clear(subset);
  for (size_t c = 0; c < columns_.size(); ++c) {
    const auto& data = batch.column_data(static_cast<int>(c));
    Status hashed = columns_[c].Hash(*data, offset, length, values_[c].data(), other_.data());
    if (!hashed.ok()) return WithContext(hashed, "column " + batch.schema()->field(static_cast<int>(c))->name());
    Accumulate(values_[c], row_.low, count);
    Accumulate(other_, row_.high, count);
    for (Sums& subset : subsets_) {
      if (std::find(subset.columns.begin(), subset.columns.end(), static_cast<int>(c)) == subset.columns.end())
        continue;
      Accumulate(values_[c], subset.low, count);
      Accumulate(other_, subset.high, count);
    }
  }
  Finish(row_.low, row_.high, row_.hashes, count);
  for (Sums& subset : subsets_) Finish(subset.low, subset.high, subset.hashes, count);
  return Status::OK();
}

}  // namespace calve::fingerprint
