#include "calve/offload/verify_cut.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <utility>

namespace calve::offload {
namespace {

int64_t BucketIndex(TimestampMicros time, int64_t bucket_micros) {
  const int64_t index = time / bucket_micros;
  return time % bucket_micros < 0 ? index - 1 : index;
}

// Rows of a bucket, from some bucket on until the next change.
using Densities = std::map<int64_t, double>;

Densities DensitiesOf(const std::vector<RowsBetween>& rows, int64_t bucket_micros) {
  Densities changes;
  for (const RowsBetween& span : rows) {
    if (span.rows <= 0 || span.last < span.first) continue;
    const int64_t first = BucketIndex(span.first, bucket_micros), last = BucketIndex(span.last, bucket_micros);
    const double each = static_cast<double>(span.rows) / static_cast<double>(last - first + 1);
    changes[first] += each;
    changes[last + 1] -= each;
  }
  double density = 0;
  for (auto& [index, change] : changes) change = density = std::max(density + change, 0.0);
  return changes;
}

// Buckets of one range: [begin, end).
struct Buckets {
  int64_t begin = 0, end = 0;
};

class Cutter {
 public:
  Cutter(const std::vector<Window>& ranges, const std::vector<RowsBetween>& rows, int64_t bucket_micros)
      : ranges_(ranges), densities_(DensitiesOf(rows, bucket_micros)), bucket_micros_(bucket_micros) {}

  std::vector<VerifyCut> Run(const CutSize& size) {
    double total = 0;
    for (const Window& range : ranges_) {
      ForEachStretch(BucketsOf(range), [&](Buckets at, double density) { total += density * Length(at); });
    }
    const double wanted = size.slices > 0 ? static_cast<double>(size.slices)
                                          : std::ceil(total / static_cast<double>(std::max<int64_t>(size.rows_max, 1)));
    target_ = total / std::clamp(wanted, 1.0, static_cast<double>(kVerifySlicesMax));
    for (const Window& range : ranges_) Cut(range);
    if (!open_.ranges.empty() && rows_ < 0.5 && !slices_.empty()) {
      AddToLast();
    } else if (!open_.ranges.empty()) {
      Close();
    }
    return std::move(slices_);
  }

 private:
  static double Length(Buckets at) { return static_cast<double>(at.end - at.begin); }

  Buckets BucketsOf(const Window& range) const {
    Buckets buckets{0, BucketIndex(range.to, bucket_micros_) + 1};
    // Before the first row there is nothing to cut.
    const int64_t first_row = densities_.empty() ? buckets.end : densities_.begin()->first;
    buckets.begin = range.from ? BucketIndex(*range.from + 1, bucket_micros_) : std::min(first_row, buckets.end);
    return buckets;
  }

  template <typename Take>
  void ForEachStretch(Buckets buckets, Take take) const {
    auto next = densities_.upper_bound(buckets.begin);
    double density = next == densities_.begin() ? 0 : std::prev(next)->second;
    while (buckets.begin < buckets.end) {
      const int64_t end = next == densities_.end() ? buckets.end : std::min(next->first, buckets.end);
      if (end > buckets.begin) take(Buckets{buckets.begin, end}, density);
      buckets.begin = end;
      if (next == densities_.end()) break;
      density = (next++)->second;
    }
  }

  void Cut(const Window& range) {
    std::optional<TimestampMicros> from = range.from;
    ForEachStretch(BucketsOf(range), [&](Buckets at, double density) {
      while (at.begin < at.end) {
        double buckets = Length(at);
        if (density > 0) buckets = std::max(1.0, std::ceil((target_ - rows_) / density - 1e-9));
        if (density <= 0 || buckets > Length(at)) {
          rows_ += density * Length(at);
          return;
        }
        rows_ += density * buckets;
        at.begin += static_cast<int64_t>(buckets);
        const TimestampMicros to = at.begin * bucket_micros_ - 1;
        if (to >= range.to) return;  // the range ends here as well
        open_.ranges.push_back(Window{from, to});
        from = to;
        Close();
      }
    });
    open_.ranges.push_back(Window{from, range.to});
    if (rows_ >= target_ && target_ > 0) Close();
  }

  void Close() {
    open_.rows = std::llround(rows_);
    slices_.push_back(std::exchange(open_, {}));
    rows_ = 0;
  }

  // What is left behind the last row is no slice of its own.
  void AddToLast() {
    std::vector<Window>& last = slices_.back().ranges;
    for (const Window& range : open_.ranges) {
      if (range.from && last.back().to == *range.from) {
        last.back().to = range.to;
      } else {
        last.push_back(range);
      }
    }
  }

  const std::vector<Window>& ranges_;
  const Densities densities_;
  const int64_t bucket_micros_;
  double target_ = 0;
  double rows_ = 0;  // of the open slice
  VerifyCut open_;
  std::vector<VerifyCut> slices_;
};

}  // namespace

std::vector<VerifyCut> CutVerify(const std::vector<Window>& ranges, const std::vector<RowsBetween>& rows,
                                 int64_t bucket_micros, const CutSize& size) {
  return Cutter(ranges, rows, bucket_micros).Run(size);
}

}  // namespace calve::offload
