#include "calve/fingerprint/bucket_fingerprints.h"

#include <arrow/array.h>
#include <fmt/format.h>

#include <algorithm>
#include <numeric>

namespace calve::fingerprint {
namespace {

uint64_t Sum(const std::vector<uint64_t>& values, int64_t begin, int64_t end) {
  return std::accumulate(values.begin() + begin, values.begin() + end, uint64_t{0});
}

int64_t FloorTo(int64_t value, int64_t step) {
  int64_t rest = value % step;
  if (rest < 0) rest += step;
  // At the very edge of the type it may wrap: no instant that anything holds.
  return static_cast<int64_t>(static_cast<uint64_t>(value) - static_cast<uint64_t>(rest));
}

}  // namespace

void Fingerprint::Add(const Fingerprint& other) {
  rows += other.rows;
  sum_low += other.sum_low;
  sum_high += other.sum_high;
  columns.resize(std::max(columns.size(), other.columns.size()));
  for (size_t i = 0; i < other.columns.size(); ++i) columns[i] += other.columns[i];
}

void Merge(const Fingerprints& from, Fingerprints& to) {
  for (const auto& [bucket, fingerprint] : from) to[bucket].Add(fingerprint);
}

Status FindBucketRuns(const arrow::Array& cursor, int64_t bucket_micros, int64_t offset, int64_t length,
                      std::vector<BucketRun>& runs) {
  runs.clear();
  auto unit = arrow::TimeUnit::SECOND;
  if (cursor.type_id() == arrow::Type::TIMESTAMP) {
    unit = static_cast<const arrow::TimestampType&>(*cursor.type()).unit();
  }
  if (unit != arrow::TimeUnit::MICRO && unit != arrow::TimeUnit::NANO) {
    return MakeError(ErrorKind::kUnsupported, fmt::format("rows have no hour or day by {}", cursor.type()->ToString()));
  }
  const int64_t per_micro = unit == arrow::TimeUnit::NANO ? 1000 : 1;
  const int64_t step = bucket_micros * per_micro;
  const int64_t* values = static_cast<const arrow::TimestampArray&>(cursor).raw_values();
  const bool nulls = cursor.null_count() > 0;
  int64_t start = 0;  // of the current run's bucket
  for (int64_t i = offset; i < offset + length; ++i) {
    bool null = nulls && cursor.IsNull(i);
    // Below the bucket the difference wraps around and is large.
    bool same = !runs.empty() && runs.back().null == null &&
                (null || static_cast<uint64_t>(values[i]) - static_cast<uint64_t>(start) < static_cast<uint64_t>(step));
    if (!same) {
      if (!null) start = FloorTo(values[i], step);
      runs.push_back(BucketRun{null ? 0 : start / per_micro, null, i, i});
    }
    runs.back().end = i + 1;
  }
  return Status::OK();
}

FingerprintBuilder::FingerprintBuilder(const std::vector<int>& column_ids, int cursor, int64_t bucket_micros)
    : hasher_(column_ids), cursor_(cursor), bucket_micros_(bucket_micros) {}

Status FingerprintBuilder::Add(const arrow::RecordBatch& batch) {
  const auto cursor = batch.column(cursor_);
  for (int64_t offset = 0; offset < batch.num_rows(); offset += RowHasher::kChunkRows) {
    const int64_t length = std::min(RowHasher::kChunkRows, batch.num_rows() - offset);
    ARROW_RETURN_NOT_OK(FindBucketRuns(*cursor, bucket_micros_, offset, length, runs_));
    ARROW_RETURN_NOT_OK(hasher_.Hash(batch, offset, length));
    for (const BucketRun& run : runs_) {
      if (run.null) {
        rows_without_bucket_ += run.end - run.begin;
        continue;
      }
      Fingerprint& sums = buckets_[run.bucket];
      sums.columns.resize(hasher_.column_count());
      sums.rows += run.end - run.begin;
      const int64_t begin = run.begin - offset, end = run.end - offset;
      for (int64_t i = begin; i < end; ++i) {
        sums.sum_low += hasher_.rows()[static_cast<size_t>(i)].low;
        sums.sum_high += hasher_.rows()[static_cast<size_t>(i)].high;
      }
      for (size_t c = 0; c < sums.columns.size(); ++c) sums.columns[c] += Sum(hasher_.values(c), begin, end);
    }
  }
  return Status::OK();
}

}  // namespace calve::fingerprint
