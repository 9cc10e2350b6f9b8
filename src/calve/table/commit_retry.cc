#include "calve/table/commit_retry.h"

#include <algorithm>
#include <chrono>
#include <thread>

namespace calve::table {

Status SleepFor(int64_t milliseconds) {
  std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
  return Status::OK();
}

Result<RetryPolicy> CommitRetryPolicyOf(const iceberg::TableMetadata& metadata) {
  RetryPolicy policy;
  ARROW_ASSIGN_OR_RAISE(const int64_t retries, metadata.IntProperty("commit.retry.num-retries", 4));
  policy.attempts_max = static_cast<int>(std::min<int64_t>(retries, 1000)) + 1;
  ARROW_ASSIGN_OR_RAISE(policy.wait_min_ms, metadata.IntProperty("commit.retry.min-wait-ms", 100));
  ARROW_ASSIGN_OR_RAISE(policy.wait_max_ms, metadata.IntProperty("commit.retry.max-wait-ms", 60'000));
  ARROW_ASSIGN_OR_RAISE(policy.total_max_ms, metadata.IntProperty("commit.retry.total-timeout-ms", 1'800'000));
  return policy;
}

}  // namespace calve::table
