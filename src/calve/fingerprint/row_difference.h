// What of a bucket's rows is on one side only: the difference of two multisets of row hashes. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "calve/base/time.h"
#include "calve/fingerprint/row_hash.h"

namespace calve::fingerprint {

// A row of one side. Without a key both hashes are the row's.
struct RowEntry {
  TimestampMicros bucket = 0;
  RowHash key, row;
  // The row without its late columns: those that the table got after its first rows. 0: it has none, or (in cold) they
  // are not all null.
  uint64_t core = 0;
};

enum class FindingKind {
  kMissing,    // hot has it, cold does not
  kExtra,      // cold has it, hot has no row of that key (or, without a key, fewer of that row)
  kChanged,    // both have the key, with other values
  kDuplicate,  // cold has a row of the key more often than hot has
  kDefaulted,  // as changed, but in late columns only, which are null in cold
};

struct Finding {
  FindingKind kind = FindingKind::kMissing;
  RowHash key;
  RowHash hot, cold;  // the row of each side that has one
  // Different rows of this key in hot: none, one, or several (2). Several: it is no key there.
  int hot_rows = 0;
};

struct RowDifference {
  int64_t missing = 0, extra = 0, changed = 0, duplicates = 0, defaulted = 0;
  std::vector<Finding> findings;  // the first few of each kind
  bool empty() const { return missing + extra + changed + duplicates + defaulted == 0; }
  void Add(RowDifference&& other, size_t findings_max);
};

// `unique_key`: two rows of one key are a duplicate, even if hot has none of them; a row that hot itself holds more
// than once counts once. Sorts both sides by bucket, key and row. At most `findings_max` findings of each kind and bucket. Buckets without a difference are left out.
std::map<TimestampMicros, RowDifference> CompareRows(std::vector<RowEntry>& hot, std::vector<RowEntry>& cold,
                                                     bool unique_key, size_t findings_max);

// Rows of one key more than once, in one side alone: each but the first (by bucket) is a duplicate. `cold` of a finding
// is its row, `hot` the row before it: the same where it is the very same row once more.
std::map<TimestampMicros, RowDifference> FindDuplicates(std::vector<RowEntry>& rows, size_t findings_max);

// Where the rows do not fit in memory at once: pass `pass` of `passes` takes those whose key falls to it.
inline bool InPass(const RowHash& key, uint64_t pass, uint64_t passes) { return key.low % passes == pass; }

}  // namespace calve::fingerprint
