// What has to change in cold so that it holds what hot does: chosen from the differences of some buckets. Pure.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "calve/fingerprint/row_difference.h"

namespace calve::offload {

enum class ChangePolicy {
  kAppendMissing,  // rows do not change once they are there: what is missing is added, nothing else
  kUpsert,         // hot's row of a key replaces cold's
  kRepair,         // what can be mended: missing, changed and doubled rows
};

// By key: hot's row comes in, cold's rows of that key go. By row: so many copies come in or go. Not thread-safe, but
// for the const members.
class RowChanges {
 public:
  void Put(const fingerprint::RowHash& key) { keys_.push_back({key, State::kWanted}); }
  // Cold's rows of the key go, and nothing comes.
  void Delete(const fingerprint::RowHash& key) { keys_.push_back({key, State::kGone}); }
  void Add(const fingerprint::RowHash& row, int64_t count) { add_[row] += count; }
  void Remove(const fingerprint::RowHash& row, int64_t count) { remove_[row] += count; }

  // After the last Put or Delete, before the questions below.
  void Seal();
  bool empty() const { return keys_.empty() && add_.empty() && remove_.empty(); }
  bool removes() const { return !keys_.empty() || !remove_.empty(); }
  // Entries held: what has to be bounded.
  size_t size() const { return keys_.size() + add_.size() + remove_.size(); }

  // Whether this hot row comes in; of a key the first that is asked for.
  bool TakeHot(const fingerprint::RowEntry& entry);
  // Whether this cold row goes. Only rows of keys whose new row was taken, or which have none: a row that changed
  // again, or went, since the comparison stays as it is in cold. MayDrop is the cheap half of it.
  bool MayDrop(const fingerprint::RowEntry& entry) const;
  bool DropCold(const fingerprint::RowEntry& entry);

 private:
  enum class State : uint8_t { kWanted, kTaken, kGone };
  struct KeyChange {
    fingerprint::RowHash key;
    State state;
  };
  KeyChange* Find(const fingerprint::RowHash& key);
  const KeyChange* Find(const fingerprint::RowHash& key) const;

  std::vector<KeyChange> keys_;  // sorted by Seal
  std::map<fingerprint::RowHash, int64_t> add_, remove_;
};

// What could not be chosen, by bucket.
struct LeftAlone {
  // Without a key: rows are only in hot and others only in cold, so that missing ones cannot be told from changed ones.
  std::map<TimestampMicros, std::pair<int64_t, int64_t>> ambiguous;
  int64_t keys_not_unique = 0;  // findings of keys that hot has several different rows of
  int64_t extra = 0;            // only in cold: never removed
  int64_t retired = 0;          // keys that hot has other rows of than cold, at a time that has been retired
};

struct ChangeRules {
  ChangePolicy policy = ChangePolicy::kAppendMissing;
  bool unique_key = false;
  // Buckets that start before it have been retired: hot let go of rows there, so that without a key those that only
  // cold has make nothing ambiguous; and what hot has of a key by now may be an older version or a part of the row,
  // which does not replace cold's unless `replace_retired`.
  TimestampMicros retired_before = INT64_MIN;
  bool replace_retired = false;
};
// `cold` is sorted by bucket and key, as CompareRows leaves it, and of the rows that were compared.
void ChooseChanges(const ChangeRules& rules, const std::map<TimestampMicros, fingerprint::RowDifference>& found,
                   const std::vector<fingerprint::RowEntry>& cold, RowChanges& changes, LeftAlone& left);

}  // namespace calve::offload
