// Which replicas of a table that ClickHouse does not replicate (a MergeTree on each server) have all rows. Pure.
//
// Nobody can tell but by comparing them: rows are counted by bucket of the cursor on all of them. A replica has all
// rows if it has the most in every bucket. Replicas with as many rows in a bucket have the same ones, as far as a sum
// of hashes tells; if they have not, or each lacks what another one has, none of them is right.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "calve/base/time.h"

namespace calve::offload {

struct BucketSum {
  int64_t rows = 0;
  uint64_t hash = 0;
};
using BucketSums = std::map<TimestampMicros, BucketSum>;

struct AlikeReplicas {
  std::vector<size_t> whole;          // that have all rows; empty: `conflict` says why
  std::vector<int64_t> rows_lacking;  // of each
  std::string conflict;
};
AlikeReplicas CompareReplicas(const std::vector<BucketSums>& replicas);

}  // namespace calve::offload
