// Random histories of a table, for tests: branches, tags, roll-backs, snapshots that nothing names, expiries by others,
// windows of calve's and what other engines commit between them.
#pragma once

#include <algorithm>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "calve/base/time.h"
#include "calve/iceberg/testing_metadata.h"
#include "calve/table/watermark_keys.h"

namespace calve::maintain {

class RandomHistory {
 public:
  static constexpr int64_t kStartMs = 1'700'000'000'000;
  static constexpr int64_t kHourMs = 3'600'000;

  explicit RandomHistory(uint64_t seed) : random_(seed) {
    metadata_ = iceberg::MetadataWithSnapshots(1);
    metadata_.snapshots = {};
    metadata_.snapshot_log.clear();
    metadata_.refs.clear();
    metadata_.current_snapshot_id.reset();
    metadata_.properties.clear();
    metadata_.last_sequence_number = 0;
    const int steps = 1 + Below(25);
    for (int i = 0; i < steps; ++i) Step();
    if (Chance(3)) metadata_.properties["history.expire.max-snapshot-age-ms"] = std::to_string(Below(40) * kHourMs);
    if (Chance(3)) metadata_.properties["history.expire.min-snapshots-to-keep"] = std::to_string(1 + Below(5));
    if (Chance(4)) metadata_.properties["history.expire.max-ref-age-ms"] = std::to_string(Below(60) * kHourMs);
  }

  const iceberg::TableMetadata& metadata() const { return metadata_; }
  int64_t now_ms() const { return now_ms_; }
  int Below(int bound) { return static_cast<int>(random_() % static_cast<uint64_t>(bound)); }
  bool Chance(int one_in) { return Below(one_in) == 0; }

 private:
  void Step() {
    now_ms_ += Below(6) * kHourMs;
    switch (Below(9)) {
      case 0:
        if (metadata_.snapshots.empty()) break;
        return PutRef("tag-" + std::to_string(Below(3)), AnySnapshot(), /*is_branch=*/false);
      case 1:
        return Commit("branch-" + std::to_string(Below(2)), /*window=*/false);
      case 2: {  // a roll-back of main
        const iceberg::Snapshot* tip = metadata_.CurrentSnapshot();
        if (tip == nullptr) break;
        for (int i = Below(4); i > 0 && metadata_.ParentOf(*tip) != nullptr; --i) tip = metadata_.ParentOf(*tip);
        return MoveMain(tip->snapshot_id);
      }
      case 3:
        return ExpireAsOthersDo();
      case 4:
      case 5:
        return Commit("main", /*window=*/false);
      default:
        return Commit("main", /*window=*/true);
    }
  }

  int64_t AnySnapshot() {
    return metadata_.snapshots[static_cast<size_t>(Below(static_cast<int>(metadata_.snapshots.size())))].snapshot_id;
  }

  void MoveMain(int64_t id) {
    metadata_.refs["main"].snapshot_id = id;
    metadata_.current_snapshot_id = id;
    metadata_.snapshot_log.push_back({now_ms_, id});
  }

  void PutRef(const std::string& name, int64_t id, bool is_branch) {
    iceberg::SnapshotRef& ref = metadata_.refs[name];
    ref.snapshot_id = id;
    ref.is_branch = is_branch;
    if (is_branch && Chance(3)) ref.min_snapshots_to_keep = 1 + Below(4);
    if (is_branch && Chance(3)) ref.max_snapshot_age_ms = Below(40) * kHourMs;
    if (Chance(4)) ref.max_ref_age_ms = Below(40) * kHourMs;
  }

  void Commit(const std::string& branch, bool window) {
    const auto ref = metadata_.refs.find(branch);
    iceberg::Snapshot snapshot;
    snapshot.snapshot_id = ++ids_;
    if (ref != metadata_.refs.end()) snapshot.parent_snapshot_id = ref->second.snapshot_id;
    if (ref == metadata_.refs.end() && branch != "main") snapshot.parent_snapshot_id = metadata_.current_snapshot_id;
    snapshot.sequence_number = ++metadata_.last_sequence_number;
    snapshot.timestamp_ms = now_ms_;
    snapshot.manifest_list = "mem://t/metadata/snap-" + std::to_string(ids_) + ".avro";
    snapshot.summary = {{"operation", "append"}};
    if (window) {
      const std::string to = FormatTimestamp(now_ms_ * 1000);
      snapshot.summary.Set(table::kWindowToKey, to);
      snapshot.summary.Set("calve.commit-id", "commit-" + std::to_string(ids_));
      metadata_.properties[table::kWatermarkProperty] =
          R"({"calve.window-to":")" + to + R"(","calve.commit-id":"commit-)" + std::to_string(ids_) +
          R"(","snapshot-id":)" + std::to_string(ids_) + R"(,"sequence-number":)" +
          std::to_string(snapshot.sequence_number) + "}";
    }
    metadata_.snapshots.push_back(snapshot);
    if (window && !Chance(8)) metadata_.refs[table::kWatermarkTag] = {.snapshot_id = ids_, .is_branch = false};
    if (branch == "main") return MoveMain(ids_);
    if (!Chance(4)) PutRef(branch, ids_, /*is_branch=*/true);  // else staged: nothing names it
  }

  // Some prefix of main's history, whatever calve has there.
  void ExpireAsOthersDo() {
    std::set<int64_t> needed;
    for (const auto& [name, ref] : metadata_.refs) needed.insert(ref.snapshot_id);
    const int64_t before = now_ms_ - Below(20) * kHourMs;
    metadata_.snapshots.RemoveIf([&](const iceberg::Snapshot& snapshot) {
      return snapshot.timestamp_ms < before && !needed.contains(snapshot.snapshot_id);
    });
  }

  std::mt19937_64 random_;
  iceberg::TableMetadata metadata_;
  int64_t now_ms_ = kStartMs;
  int64_t ids_ = 0;
};

}  // namespace calve::maintain
