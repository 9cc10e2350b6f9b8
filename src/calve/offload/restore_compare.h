// What of cold a table has already: first by counts, then by fingerprints, last row by row.
#pragma once

#include <map>
#include <set>

#include "calve/fingerprint/bucket_fingerprints.h"
#include "calve/offload/restore_plan.h"
#include "calve/offload/restore_rows.h"
#include "calve/offload/verify_rows.h"

namespace calve::offload {

class RestoreComparison {
 public:
  // All borrowed.
  RestoreComparison(const RestoreContext& context, const RestoreRequest& request, const RestorePlan& plan);

  // Rows of both by bucket, of the buckets where cold has any. Reads the cursor's column alone, and counts in
  // ClickHouse.
  Result<std::map<TimestampMicros, BucketRows>> Count();

  struct Sides {
    fingerprint::Fingerprints hot, cold;
  };
  // Both in full.
  Result<Sides> TakeFingerprints(const Window& window);
  Result<fingerprint::Fingerprints> TakeHotFingerprints(const Window& window);

  // Of one pass over the group's rows.
  Result<MissingRows> FindMissing(const BucketGroup& group, uint64_t pass);

  fingerprint::FingerprintBuilder NewBuilder() const;
  const VerifyRequest& verify_request() const { return verify_request_; }
  // What bounds the groups whose rows are compared one by one.
  int64_t rows_max() const { return RowsInMemory(verify_request_); }

 private:
  Result<std::map<TimestampMicros, BucketRows>> CountCold();
  Status CountHot(std::map<TimestampMicros, BucketRows>& buckets);
  // The consumer gets cold rows as ClickHouse would have them.
  RowConsumer WithDefaults(const RowConsumer& consumer) const;

  const RestoreContext& context_;
  const RestoreRequest& request_;
  const RestorePlan& plan_;
  const VerifyContext verify_context_;
  VerifyRequest verify_request_;
  VerifySides sides_;
};

}  // namespace calve::offload
