// Mends what a comparison found: missing rows come in, changed ones are replaced, doubled ones go. What only cold has
// stays.
#pragma once

#include "calve/offload/verify.h"

namespace calve::offload {

struct RepairResult {
  VerifyResult before, after;  // the same where nothing was done
  int64_t rows_added = 0, rows_removed = 0;
  int64_t files_added = 0, files_removed = 0;
  std::optional<int64_t> snapshot_id;  // none: nothing was committed
  std::vector<std::string> notes;      // what was left alone, and why
};

// Compares, mends the buckets that differ in snapshots of kind "repair", and compares these again. The watermark stays;
// a table that others filled is adopted at the watermark of their journal. Holds the table's lease. Errors as
// VerifyTable and Reconcile; kFailed where another calve has the lease, or was faster.
Result<RepairResult> RepairTable(const VerifyContext& context, const VerifyRequest& request, int64_t lease_micros);

}  // namespace calve::offload
