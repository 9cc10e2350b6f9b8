// A range of buckets into slices of about as many rows. Pure.
#pragma once

#include <cstdint>
#include <vector>

#include "calve/offload/window.h"

namespace calve::offload {

// Rows that lie between two times, both inclusive; evenly, as far as is known.
struct RowsBetween {
  TimestampMicros first = 0, last = 0;
  int64_t rows = 0;
};

struct VerifyCut {
  std::vector<Window> ranges;  // one after the other; together the slice
  int64_t rows = 0;            // about
};

// Either number of slices, or rows of one.
struct CutSize {
  int64_t slices = 0;  // 0: rows decide
  int64_t rows_max = 10'000'000;
};
inline constexpr int64_t kVerifySlicesMax = 100'000;

// Slices that are disjoint and together `ranges`, in the order of time. No bucket is in two of them, so one bucket with
// more rows than a slice is to have is a slice. `ranges` are disjoint and in order, as `VerifyPlan` has them. Never
// empty where there is a range.
std::vector<VerifyCut> CutVerify(const std::vector<Window>& ranges, const std::vector<RowsBetween>& rows,
                                 int64_t bucket_micros, const CutSize& size);

}  // namespace calve::offload
