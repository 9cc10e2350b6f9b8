#include "calve/offload/alike_replicas.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace calve::offload {

AlikeReplicas CompareReplicas(const std::vector<BucketSums>& replicas) {
  AlikeReplicas result;
  result.rows_lacking.assign(replicas.size(), 0);
  std::set<TimestampMicros> buckets;
  for (const BucketSums& replica : replicas) {
    for (const auto& [bucket, sum] : replica) buckets.insert(bucket);
  }
  for (const TimestampMicros bucket : buckets) {
    const auto of = [&](size_t i) {
      const auto found = replicas[i].find(bucket);
      return found == replicas[i].end() ? BucketSum{} : found->second;
    };
    int64_t most = 0;
    for (size_t i = 0; i < replicas.size(); ++i) most = std::max(most, of(i).rows);
    std::set<uint64_t> hashes;
    for (size_t i = 0; i < replicas.size(); ++i) {
      result.rows_lacking[i] += most - of(i).rows;
      if (of(i).rows == most) hashes.insert(of(i).hash);
    }
    if (hashes.size() > 1 && result.conflict.empty()) {
      result.conflict =
          fmt::format("they have as many rows in the hour {}, but not the same ones", FormatTimestamp(bucket));
    }
  }
  if (!result.conflict.empty()) return result;
  for (size_t i = 0; i < replicas.size(); ++i) {
    if (result.rows_lacking[i] == 0) result.whole.push_back(i);
  }
  if (result.whole.empty() && !replicas.empty()) result.conflict = "each of them lacks rows that another one has";
  return result;
}

}  // namespace calve::offload
