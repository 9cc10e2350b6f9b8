// What may be dropped from hot, and whether cold is still what it was when it was verified. Pure.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "calve/iceberg/table_metadata.h"
#include "calve/offload/hot_parts.h"
#include "calve/offload/verify.h"

namespace calve::offload {

struct KeptPart {
  HotPart part;
  std::string reason;
  bool differs = false;  // because cold does not hold what it holds
};

struct RetireChoice {
  std::vector<HotPart> chosen;  // the oldest rows first
  std::vector<KeptPart> kept;   // that hold rows up to the limit
  int64_t newer = 0;            // parts all of whose rows are after the limit
};

// By what is known before cold is asked.
RetireChoice ChooseParts(const std::vector<HotPart>& parts, TimestampMicros limit);
// Moves the chosen parts that `names` holds (or does not hold, where `listed` is false) to those kept.
void KeepParts(RetireChoice& choice, const std::set<std::string>& names, bool listed, const std::string& reason,
               bool differs = false);

// From the first chosen row to the last, in the terms of `calve verify`: `from` inclusive, `to` exclusive.
struct RetireRange {
  TimestampMicros from = 0, to = 0;
};
RetireRange RangeOf(const std::vector<HotPart>& chosen, TimestampMicros limit);

// Whether hot rows of the bucket are not in cold. What only cold holds is no obstacle; rows that differ only in columns
// that came later, and are null in cold, are one where it is to be strict.
bool Blocks(const BucketResult& bucket, bool strict);
// The ranges of the cursor that such buckets take up, neighbours joined.
std::vector<Window> BlockedRanges(const VerifyResult& verified, int64_t bucket_micros, const Cursor& cursor,
                                  bool strict);

// Whether the snapshot that was verified is still what main holds, and more: an ancestor of its tip (or the tip), with
// nothing but appends and commits of calve's since. kConflict says what happened instead.
Status CheckColdSince(const iceberg::TableMetadata& now, const std::string& table_uuid, int64_t verified_snapshot);

// The time up to which a view of calve's takes its rows from cold, from its SELECT as ClickHouse prints it; nullopt:
// this is no such view.
std::optional<TimestampMicros> SplitOfView(const std::string& select);

}  // namespace calve::offload
