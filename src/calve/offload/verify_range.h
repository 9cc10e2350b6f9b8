// A range of buckets, compared: first by their fingerprints, then those that differ row by row.
#pragma once

#include <string>
#include <vector>

#include "calve/offload/verify_sides.h"

namespace calve::offload {

struct ComparedRange {
  int64_t rows_hot = 0, rows_cold = 0;
  int64_t buckets = 0;
  std::vector<BucketResult> differences;  // also allowed ones, by time; judged
  std::vector<std::string> notes;
};

// What is told of a bucket does not depend on which others are in the range, as long as all of the bucket is.
Result<ComparedRange> CompareRange(const VerifyRequest& request, const VerifyPlan& plan, VerifySides& sides,
                                   const Window& range);

// In the order of time.
void AddCompared(ComparedRange compared, VerifyResult& result);

// Whether what was found is a difference, or allowed: sets extra_allowed and different. Pure.
void JudgeBucket(const VerifyRequest& request, const VerifyPlan& plan, BucketResult& bucket);

}  // namespace calve::offload
