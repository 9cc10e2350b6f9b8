// Hashes of the rows of some buckets, as entries for the difference of two sides.
#pragma once

#include <algorithm>
#include <set>
#include <vector>

#include "calve/fingerprint/bucket_fingerprints.h"
#include "calve/fingerprint/row_difference.h"
#include "calve/offload/verify_plan.h"

namespace calve::offload {

// Rows of a batch that lie in wanted buckets, with their hashes.
class BucketRowHasher {
 public:
  // `plan` is borrowed.
  BucketRowHasher(const VerifyPlan& plan, int64_t bucket_micros)
      : plan_(plan), bucket_micros_(bucket_micros), hasher_(plan.column_ids, {KeyColumns(plan), plan.core}) {}

  const fingerprint::RowHasher& hasher() const { return hasher_; }

  // Calls take(entry, row of the batch, row of the hasher's chunk).
  template <typename Take>
  Status ForEach(const arrow::RecordBatch& batch, const std::set<TimestampMicros>* buckets, bool hot, Take take) {
    for (int64_t offset = 0; offset < batch.num_rows(); offset += fingerprint::RowHasher::kChunkRows) {
      const int64_t length = std::min(fingerprint::RowHasher::kChunkRows, batch.num_rows() - offset);
      if (plan_.cursor_index >= 0) {
        ARROW_RETURN_NOT_OK(
            fingerprint::FindBucketRuns(*batch.column(plan_.cursor_index), bucket_micros_, offset, length, runs_));
      } else {
        runs_ = {fingerprint::BucketRun{0, false, offset, offset + length}};
      }
      if (buckets) {
        std::erase_if(runs_, [&](const auto& run) { return run.null || !buckets->contains(run.bucket); });
      }
      if (runs_.empty()) continue;
      ARROW_RETURN_NOT_OK(hasher_.Hash(batch, offset, length));
      for (const fingerprint::BucketRun& run : runs_) {
        for (int64_t i = run.begin; i < run.end; ++i) {
          const auto at = static_cast<size_t>(i - offset);
          const fingerprint::RowHash& row = hasher_.rows()[at];
          fingerprint::RowEntry entry{run.bucket, KeyColumns(plan_).empty() ? row : hasher_.subset(0)[at], row, 0};
          if (!plan_.late.empty() && (hot || LateColumnsNull(batch, i))) entry.core = hasher_.subset(1)[at].low | 1;
          ARROW_RETURN_NOT_OK(take(entry, i, at));
        }
      }
    }
    return Status::OK();
  }

 private:
  // Without a key, rows that are alike but for late columns are put side by side.
  static const std::vector<int>& KeyColumns(const VerifyPlan& plan) { return plan.key.empty() ? plan.core : plan.key; }
  bool LateColumnsNull(const arrow::RecordBatch& batch, int64_t row) const {
    return std::all_of(plan_.late.begin(), plan_.late.end(),
                       [&](int column) { return batch.column(column)->IsNull(row); });
  }

  const VerifyPlan& plan_;
  const int64_t bucket_micros_;
  fingerprint::RowHasher hasher_;
  std::vector<fingerprint::BucketRun> runs_;
};

}  // namespace calve::offload
