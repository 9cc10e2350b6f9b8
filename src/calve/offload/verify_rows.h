// The second look: which rows of the buckets that differ are on one side only, and what they hold.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <vector>

#include "calve/offload/verify_sides.h"

namespace calve::offload {

// Rows of each side, as the fingerprints counted them.
struct BucketRows {
  int64_t hot = 0, cold = 0;
};

// Buckets that are read together, and in how many passes: so that the hashes of a pass fit in memory.
struct BucketGroup {
  Window window;
  std::set<TimestampMicros> buckets;
  int64_t rows = 0;
  uint64_t passes = 1;
};
// `rows_max` of both sides together in a pass. Pure.
std::vector<BucketGroup> GroupBuckets(const std::map<TimestampMicros, BucketRows>& different, int64_t bucket_micros,
                                      const Window& within, int64_t rows_max, size_t buckets_max = SIZE_MAX);

// So few that as much of each is looked at as there may be: what is told of a bucket does not depend on the others.
inline constexpr size_t kComparedTogetherMax = 200;

// Differences by bucket, `differences` with counts, columns and examples; the other members are left to the caller.
Result<std::map<TimestampMicros, BucketResult>> CompareBucketRows(const VerifyRequest& request, const VerifyPlan& plan,
                                                                  VerifySides& sides, const BucketGroup& group);

// Rows that fit in the memory that the request allows.
int64_t RowsInMemory(const VerifyRequest& request);

}  // namespace calve::offload
