// Makes cold hold what hot does, for some buckets behind the watermark: compares their rows, chooses what has to change
// and commits it. What late rows, changed rows and repairs have in common.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "calve/offload/row_changes.h"
#include "calve/offload/verify_rows.h"

namespace calve::offload {

struct ReconcileRequest {
  VerifyRequest verify;  // source, target, columns, key, size of the buckets, memory
  ChangePolicy policy = ChangePolicy::kAppendMissing;
  std::string kind;  // calve.kind of the snapshots: late, upsert, repair
  // What to look at, with the rows of both sides where `differ` (they are known to differ); else fingerprints are
  // compared first.
  std::map<TimestampMicros, BucketRows> buckets;
  bool differ = false;
  TimestampMicros up_to = 0;  // rows beyond it are left alone
  bool key_spans_time = false;
};

struct ReconcileResult {
  int64_t buckets = 0;  // compared
  int64_t rows_added = 0, rows_removed = 0;
  int64_t files_added = 0, files_removed = 0, bytes_added = 0;
  std::optional<int64_t> snapshot_id;  // the newest; none: nothing was committed
  // Of the newest commit of calve's that is known to be on main; empty: none is.
  std::string commit_id;
  LeftAlone left;
  bool overtaken = false;  // another writer's commit came first: what was not committed has to be looked at again
};

// One snapshot, or several where the changes do not fit in the memory allowed: each of them leaves every key with one
// row. The watermark stays where it is. kConflict never leaves it: that is `overtaken`. Errors: what was committed
// before stays; kUnknownOutcome: the last snapshot may be in.
Result<ReconcileResult> Reconcile(const VerifyContext& context, const ReconcileRequest& request);

}  // namespace calve::offload
