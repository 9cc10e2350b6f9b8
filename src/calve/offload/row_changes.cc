#include "calve/offload/row_changes.h"

#include <algorithm>
#include <set>
#include <tuple>

namespace calve::offload {
namespace {

using fingerprint::Finding;
using fingerprint::FindingKind;
using fingerprint::RowDifference;
using fingerprint::RowEntry;
using fingerprint::RowHash;

bool HasKey(const std::vector<RowEntry>& cold, TimestampMicros bucket, const RowHash& key) {
  auto found = std::partition_point(cold.begin(), cold.end(), [&](const RowEntry& entry) {
    return std::tie(entry.bucket, entry.key) < std::tie(bucket, key);
  });
  return found != cold.end() && found->bucket == bucket && found->key == key;
}

// Rows tell themselves apart: as often as they are in hot.
void ChooseByRow(const ChangeRules& rules, const RowDifference& difference, RowChanges& changes) {
  for (const Finding& finding : difference.findings) {
    if (finding.kind == FindingKind::kMissing) changes.Add(finding.hot, 1);
    if (finding.kind == FindingKind::kDuplicate && rules.policy == ChangePolicy::kRepair) {
      changes.Remove(finding.cold, 1);
    }
  }
}

void AppendMissing(const RowDifference& difference, TimestampMicros bucket, const std::vector<RowEntry>& cold,
                   RowChanges& changes) {
  std::set<RowHash> keys;
  for (const Finding& finding : difference.findings) {
    if (finding.kind != FindingKind::kMissing) continue;
    // Delivered again with other values: the key is there. Of a key that hot holds twice, cold gets one row.
    if (HasKey(cold, bucket, finding.key) || !keys.insert(finding.key).second) continue;
    changes.Add(finding.hot, 1);
  }
}

void ChooseByKey(const ChangeRules& rules, TimestampMicros bucket, const RowDifference& difference, RowChanges& changes,
                 LeftAlone& left) {
  const bool retired = bucket < rules.retired_before && !rules.replace_retired;
  std::set<RowHash> put;
  for (const Finding& finding : difference.findings) {
    if (finding.kind == FindingKind::kExtra) continue;
    // A column that came later and is null in cold: for an upsert hot's row is the row.
    if (finding.kind == FindingKind::kDefaulted && rules.policy == ChangePolicy::kRepair) continue;
    if (finding.hot_rows > 1) {
      ++left.keys_not_unique;
    } else if (retired && finding.hot_rows == 1 && finding.kind != FindingKind::kMissing) {
      ++left.retired;
    } else if (finding.hot_rows == 1) {
      if (put.insert(finding.key).second) changes.Put(finding.key);
    } else if (rules.policy == ChangePolicy::kRepair) {
      changes.Remove(finding.cold, 1);  // the same row once more, and hot no longer has it
    }
  }
}

}  // namespace

void RowChanges::Seal() {
  std::sort(keys_.begin(), keys_.end(), [](const KeyChange& a, const KeyChange& b) { return a.key < b.key; });
}

const RowChanges::KeyChange* RowChanges::Find(const RowHash& key) const {
  auto found = std::lower_bound(keys_.begin(), keys_.end(), key,
                                [](const KeyChange& change, const RowHash& wanted) { return change.key < wanted; });
  return found != keys_.end() && found->key == key ? &*found : nullptr;
}
RowChanges::KeyChange* RowChanges::Find(const RowHash& key) {
  return const_cast<KeyChange*>(std::as_const(*this).Find(key));
}

bool RowChanges::TakeHot(const RowEntry& entry) {
  if (KeyChange* change = Find(entry.key)) {
    if (change->state != State::kWanted) return false;
    change->state = State::kTaken;
    return true;
  }
  auto found = add_.find(entry.row);
  if (found == add_.end() || found->second == 0) return false;
  --found->second;
  return true;
}

bool RowChanges::MayDrop(const RowEntry& entry) const {
  const KeyChange* change = Find(entry.key);
  return change ? change->state != State::kWanted : remove_.contains(entry.row);
}

bool RowChanges::DropCold(const RowEntry& entry) {
  if (const KeyChange* change = Find(entry.key)) return change->state != State::kWanted;
  auto found = remove_.find(entry.row);
  if (found == remove_.end() || found->second == 0) return false;
  --found->second;
  return true;
}

void ChooseChanges(const ChangeRules& rules, const std::map<TimestampMicros, RowDifference>& found,
                   const std::vector<RowEntry>& cold, RowChanges& changes, LeftAlone& left) {
  for (const auto& [bucket, difference] : found) {
    left.extra += difference.extra;
    if (rules.unique_key) {
      if (rules.policy == ChangePolicy::kAppendMissing) {
        AppendMissing(difference, bucket, cold, changes);
      } else {
        ChooseByKey(rules, bucket, difference, changes, left);
      }
      continue;
    }
    const int64_t only_cold = difference.extra + difference.changed;
    if (difference.missing > 0 && only_cold > 0 && bucket >= rules.retired_before) {
      left.ambiguous[bucket] = {difference.missing, only_cold};
      continue;
    }
    ChooseByRow(rules, difference, changes);
  }
}

}  // namespace calve::offload
