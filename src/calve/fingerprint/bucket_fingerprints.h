// Fingerprints of buckets: what two sides hold of an hour or a day, as a few numbers. Pure.
#pragma once

#include <arrow/record_batch.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "calve/base/time.h"
#include "calve/fingerprint/row_hash.h"

namespace calve::fingerprint {

// Of a multiset of rows: the order does not matter, how often a row is there does. Sums modulo 2^64.
struct Fingerprint {
  int64_t rows = 0;
  uint64_t sum_low = 0, sum_high = 0;  // of row hashes
  std::vector<uint64_t> columns;       // of each column's value hashes

  void Add(const Fingerprint& other);
  friend bool operator==(const Fingerprint&, const Fingerprint&) = default;
};

// By the bucket's start: micros since the epoch, floored towards minus infinity.
using Fingerprints = std::map<TimestampMicros, Fingerprint>;
void Merge(const Fingerprints& from, Fingerprints& to);

// A row's bucket, from the cursor's column of a batch: consecutive rows of one bucket are one run.
struct BucketRun {
  TimestampMicros bucket = 0;
  bool null = false;  // the cursor is null: no bucket
  int64_t begin = 0, end = 0;
};
// Runs over rows [offset, offset + length). kUnsupported where the column is no timestamp in us or ns.
Status FindBucketRuns(const arrow::Array& cursor, int64_t bucket_micros, int64_t offset, int64_t length,
                      std::vector<BucketRun>& runs);

// Takes batches of one side (or of one thread of it) in one pass. Not thread-safe.
class FingerprintBuilder {
 public:
  // `cursor` is the index of the column that tells the bucket.
  FingerprintBuilder(const std::vector<int>& column_ids, int cursor, int64_t bucket_micros);

  Status Add(const arrow::RecordBatch& batch);
  const Fingerprints& buckets() const { return buckets_; }
  int64_t rows_without_bucket() const { return rows_without_bucket_; }

 private:
  RowHasher hasher_;
  const int cursor_;
  const int64_t bucket_micros_;
  Fingerprints buckets_;
  int64_t rows_without_bucket_ = 0;
  std::vector<BucketRun> runs_;
};

}  // namespace calve::fingerprint
