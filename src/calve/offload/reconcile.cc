#include "calve/offload/reconcile.h"

#include <algorithm>

#include "calve/fingerprint/bucket_fingerprints.h"
#include "calve/offload/bucket_row_hasher.h"
#include "calve/offload/deleted_keys.h"
#include "calve/offload/row_replacement.h"

namespace calve::offload {
namespace {

using fingerprint::Fingerprint;
using fingerprint::FingerprintBuilder;
using fingerprint::Fingerprints;
using fingerprint::RowEntry;
using fingerprint::RowHash;

constexpr int64_t kBytesOfAChange = 64;  // of a key or a row that is remembered

class Reconciliation {
 public:
  Reconciliation(const VerifyContext& context, const ReconcileRequest& request, VerifyPlan plan)
      : context_(context),
        request_(request),
        plan_(std::move(plan)),
        rules_(MergeRulesOf(plan_.table)),
        changes_max_(static_cast<size_t>(std::max<int64_t>(1024, request.verify.memory_bytes / 4 / kBytesOfAChange))) {}

  Result<ReconcileResult> Run() {
    ARROW_ASSIGN_OR_RAISE(auto watermark, ReadWatermark(plan_.target));
    if (watermark) result_.commit_id = watermark->stamp.commit_id;
    if (request_.verify.cold_only) {
      ARROW_RETURN_NOT_OK(RemoveDuplicates());
      return std::move(result_);
    }
    if (request_.policy == ChangePolicy::kRepair && !plan_.watermark) return NoWatermark();
    if (!plan_.watermark || request_.buckets.empty()) return std::move(result_);
    ARROW_ASSIGN_OR_RAISE(auto groups, DifferingGroups());
    for (const BucketGroup& group : groups) {
      for (uint64_t pass = 0; pass < group.passes && !result_.overtaken; ++pass) {
        ARROW_RETURN_NOT_OK(Compare(group, pass));
        if (changes_.size() >= changes_max_) ARROW_RETURN_NOT_OK(Flush());
      }
    }
    if (!result_.overtaken) ARROW_RETURN_NOT_OK(Flush());
    return std::move(result_);
  }

 private:
  Status NoWatermark() const {
    return MakeError(ErrorKind::kConfig,
                     fmt::format("{} has no watermark: calve never committed to it, and may not repair it",
                                 request_.verify.target.ToString()),
                     "Adopt it first: calve offload --start-from TIME.");
  }
  Window Within() const { return Window{std::nullopt, std::min(request_.up_to, *plan_.watermark)}; }
  int64_t BucketMicros() const { return request_.verify.bucket_micros; }

  Result<std::vector<BucketGroup>> DifferingGroups() {
    std::map<TimestampMicros, BucketRows> different = request_.buckets;
    if (!request_.differ) {
      different.clear();
      // One look at a run of buckets; rows are not known yet, so that runs are as long as they are.
      for (const BucketGroup& run : GroupBuckets(request_.buckets, BucketMicros(), Within(), INT64_MAX / 2)) {
        ARROW_RETURN_NOT_OK(CompareFingerprints(run, different));
      }
    }
    result_.buckets = static_cast<int64_t>(request_.buckets.size());
    // A deletion at one time may be of a row at another: these are looked for wherever something happened.
    if (request_.key_spans_time && DeletesKeys()) {
      for (const auto& [bucket, rows] : request_.buckets) different.try_emplace(bucket, rows);
    }
    return GroupBuckets(different, BucketMicros(), Within(), RowsInMemory(request_.verify));
  }

  Status CompareFingerprints(const BucketGroup& run, std::map<TimestampMicros, BucketRows>& different) {
    VerifySides sides(context_, request_.verify, plan_);
    std::vector<FingerprintBuilder> builders(sides.cold_lanes() + 1,
                                             FingerprintBuilder(plan_.column_ids, plan_.cursor_index, BucketMicros()));
    ARROW_RETURN_NOT_OK(sides.Read(
        run.window, [&](size_t, const auto& batch) { return builders.back().Add(*batch); },
        [&](size_t lane, const auto& batch) { return builders[lane].Add(*batch); }));
    Fingerprints hot = builders.back().buckets(), cold;
    for (size_t i = 0; i + 1 < builders.size(); ++i) fingerprint::Merge(builders[i].buckets(), cold);
    for (TimestampMicros bucket : run.buckets) {
      const Fingerprint &in_hot = hot[bucket], &in_cold = cold[bucket];
      if (!(in_hot == in_cold)) different[bucket] = BucketRows{in_hot.rows, in_cold.rows};
    }
    return Status::OK();
  }

  Status Compare(const BucketGroup& group, uint64_t pass) {
    VerifySides sides(context_, request_.verify, plan_);
    const size_t hot_lane = sides.cold_lanes();
    std::vector<std::vector<RowEntry>> entries(hot_lane + 1);
    std::vector<BucketRowHasher> hashers(entries.size(), BucketRowHasher(plan_, BucketMicros()));
    const auto collect = [&](size_t lane, const arrow::RecordBatch& batch, bool hot) {
      return hashers[lane].ForEach(batch, &group.buckets, hot, [&](const RowEntry& entry, int64_t, size_t) {
        if (fingerprint::InPass(entry.key, pass, group.passes)) entries[lane].push_back(entry);
        return Status::OK();
      });
    };
    ARROW_RETURN_NOT_OK(sides.Read(
        group.window, [&](size_t, const auto& batch) { return collect(hot_lane, *batch, true); },
        [&](size_t lane, const auto& batch) { return collect(lane, *batch, false); }));
    std::vector<RowEntry> cold;
    for (size_t i = 0; i < hot_lane; ++i) {
      cold.insert(cold.end(), entries[i].begin(), entries[i].end());
      entries[i] = {};
    }
    const auto found = fingerprint::CompareRows(entries[hot_lane], cold, plan_.unique_key(), SIZE_MAX / 2);
    const size_t before = changes_.size();
    ChooseChanges(Rules(), found, cold, changes_, result_.left);
    if (DeletesKeys()) {
      ARROW_RETURN_NOT_OK(
          FindDeleted(group, cold, [&](const RowHash& key) { return fingerprint::InPass(key, pass, group.passes); }));
    }
    if (changes_.size() > before && (pending_.empty() || !(pending_.back().window == group.window))) {
      pending_.push_back(group);
    }
    return Status::OK();
  }

  // Cold alone: the very same row once more.
  Status RemoveDuplicates() {
    if (!plan_.snapshot_id || plan_.ranges.empty()) return Status::OK();
    BucketGroup all{plan_.ranges.front(), {}, 0, 1};
    ARROW_ASSIGN_OR_RAISE(auto files, table::ListDataFiles(context_.file_io, plan_.target, *plan_.snapshot_id));
    for (const auto& file : files) all.rows += file.record_count;
    const int64_t rows_max = RowsInMemory(request_.verify);
    all.passes = static_cast<uint64_t>(std::max<int64_t>(1, (all.rows + rows_max - 1) / rows_max));
    for (uint64_t pass = 0; pass < all.passes; ++pass) {
      VerifySides sides(context_, request_.verify, plan_);
      std::vector<std::vector<RowEntry>> entries(sides.cold_lanes());
      std::vector<BucketRowHasher> hashers(entries.size(), BucketRowHasher(plan_, BucketMicros()));
      ARROW_RETURN_NOT_OK(sides.Read(all.window, {}, [&](size_t lane, const auto& batch) {
        return hashers[lane].ForEach(*batch, nullptr, false, [&](const RowEntry& entry, int64_t, size_t) {
          if (fingerprint::InPass(entry.key, pass, all.passes)) entries[lane].push_back(entry);
          return Status::OK();
        });
      }));
      for (size_t i = 1; i < entries.size(); ++i)
        entries[0].insert(entries[0].end(), entries[i].begin(), entries[i].end());
      for (const auto& [bucket, difference] : fingerprint::FindDuplicates(entries[0], SIZE_MAX / 2)) {
        for (const fingerprint::Finding& finding : difference.findings) {
          if (finding.hot == finding.cold) {
            changes_.Remove(finding.cold, 1);
          } else {
            ++result_.left.keys_not_unique;
          }
        }
      }
    }
    return Flush();
  }

  ChangeRules Rules() const {
    ChangeRules rules{request_.policy, plan_.unique_key(), INT64_MIN, false};
    if (plan_.retired_to) rules.retired_before = *plan_.retired_to + 1;
    // Pieces of a row never replace it; of whole rows it is the operator who asks for it.
    rules.replace_retired = request_.policy == ChangePolicy::kRepair && rules_.whole_rows;
    return rules;
  }

  bool DeletesKeys() const {
    return request_.policy != ChangePolicy::kAppendMissing && plan_.unique_key() && rules_.tells_deletions();
  }

  // Keys that hot knows to be deleted, as far as cold may have them.
  Status FindDeleted(const BucketGroup& group, const std::vector<RowEntry>& cold,
                     const std::function<bool(const RowHash&)>& wanted) {
    std::vector<RowHash> deleted;
    ARROW_RETURN_NOT_OK(ForEachDeletedKey(context_, request_.verify, plan_, group.window, [&](const RowHash& key) {
      if (wanted(key)) deleted.push_back(key);
    }));
    if (request_.key_spans_time) {
      for (const RowHash& key : deleted) changes_.Delete(key);
    } else if (!deleted.empty()) {
      std::sort(deleted.begin(), deleted.end());
      for (const RowEntry& entry : cold) {
        if (std::binary_search(deleted.begin(), deleted.end(), entry.key)) changes_.Delete(entry.key);
      }
    }
    return Status::OK();
  }

  Status Flush() {
    if (changes_.empty()) return Status::OK();
    changes_.Seal();
    RowReplacement replacement(context_, request_.verify, plan_);
    for (const BucketGroup& group : pending_) ARROW_RETURN_NOT_OK(replacement.AddHot(group, changes_));
    if (changes_.removes()) {
      const bool anywhere = request_.key_spans_time || request_.verify.cold_only;
      if (anywhere) ARROW_RETURN_NOT_OK(replacement.FindCold(nullptr, changes_));
      for (const BucketGroup& group : pending_) {
        if (!anywhere) ARROW_RETURN_NOT_OK(replacement.FindCold(&group, changes_));
      }
    }
    changes_ = RowChanges();
    pending_.clear();
    ARROW_ASSIGN_OR_RAISE(auto files, replacement.Finish());
    if (files.rows_added == 0 && files.rows_removed == 0) return Status::OK();
    ARROW_RETURN_NOT_OK(Commit(replacement, files));
    if (result_.overtaken) return Status::OK();
    // Further changes are chosen on what is there now.
    ARROW_ASSIGN_OR_RAISE(plan_, PlanVerify(context_, request_.verify));
    return Status::OK();
  }

  Status Commit(RowReplacement& replacement, const RowReplacement::Files& files) {
    ARROW_ASSIGN_OR_RAISE(WindowCommit commit, CommitOf(replacement, files));
    replacement.Release();
    auto committed = CommitOrDelete(context_.catalog, context_.file_io, context_.clock, commit);
    result_.overtaken = committed.ok() ? !committed->has_value() : KindOf(committed.status()) == ErrorKind::kConflict;
    if (result_.overtaken) return Status::OK();
    ARROW_RETURN_NOT_OK(committed.status());
    result_.commit_id = replacement.commit_id();
    result_.snapshot_id = (*committed)->snapshot_id;
    result_.rows_added += files.rows_added;
    result_.rows_removed += files.rows_removed;
    result_.files_added += static_cast<int64_t>(files.added.size());
    result_.files_removed += static_cast<int64_t>(files.removed.size());
    result_.bytes_added += files.bytes;
    return Status::OK();
  }

  Result<WindowCommit> CommitOf(const RowReplacement& replacement, const RowReplacement::Files& files) {
    ARROW_ASSIGN_OR_RAISE(auto watermark, ReadWatermark(plan_.target));
    WindowCommit commit{request_.verify.target, {plan_.target, ""}, std::nullopt, files.added, {}, files.removed};
    if (watermark) {
      commit.stamp = watermark->stamp;
      commit.planned_from = watermark->stamp.window_to;
      commit.planned_commit = watermark->stamp.commit_id;
    } else if (!plan_.watermark) {
      return NoWatermark();
    } else {
      // A table of others, adopted at the watermark that they left.
      ARROW_ASSIGN_OR_RAISE(auto server, source::AskServer(*context_.source));
      commit.stamp.source =
          fmt::format("{}/{}.{}/{}", server.uuid, plan_.table.database, plan_.table.name, plan_.table.uuid);
      commit.stamp.window_to = *plan_.watermark;
      commit.start_from = *plan_.watermark;
    }
    commit.stamp.kind = request_.kind;
    commit.stamp.window_from = commit.stamp.window_to;  // it moves nothing
    commit.stamp.rows = files.rows_added;
    commit.stamp.commit_id = replacement.commit_id();
    return commit;
  }

  const VerifyContext& context_;
  const ReconcileRequest& request_;
  VerifyPlan plan_;
  const MergeRules rules_;
  const size_t changes_max_;
  RowChanges changes_;
  std::vector<BucketGroup> pending_;  // groups that changes_ are of
  ReconcileResult result_;
};

}  // namespace

Result<ReconcileResult> Reconcile(const VerifyContext& context, const ReconcileRequest& request) {
  ARROW_ASSIGN_OR_RAISE(VerifyPlan plan, PlanVerify(context, request.verify));
  return Reconciliation(context, request, std::move(plan)).Run();
}

}  // namespace calve::offload
