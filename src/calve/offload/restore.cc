#include "calve/offload/restore.h"

#include <algorithm>
#include <chrono>

#include "calve/offload/restore_insert.h"
#include "calve/offload/restore_table.h"
#include "calve/offload/table_lease.h"

namespace calve::offload {
namespace {

using fingerprint::Fingerprint;
using fingerprint::Fingerprints;
using Steady = std::chrono::steady_clock;

// Of buckets that the table has nothing of: what one INSERT takes, unless a single bucket has more.
constexpr int64_t kRowsOfAnInsert = 2'000'000;

struct Work {
  BucketGroup group;
  bool has_some = false;  // the table has rows of these buckets
};

class Restore {
 public:
  Restore(const RestoreContext& context, const RestoreRequest& request, RestorePlan plan)
      : context_(context),
        request_(request),
        plan_(std::move(plan)),
        comparison_(context_, request_, plan_),
        inserter_(context_, request_, plan_, comparison_) {}

  Result<RestoreResult> Run() {
    for (std::string& note : plan_.compare.notes) Note(std::move(note));
    std::vector<std::string> notes;
    ARROW_RETURN_NOT_OK(CheckNoneRuns(context_.source, plan_.compare.table, notes));
    for (std::string& note : notes) Note(std::move(note));
    Begin();
    ARROW_ASSIGN_OR_RAISE(const auto counts, comparison_.Count());
    for (const auto& [bucket, rows] : counts) {
      result_.rows_cold += rows.cold;
      result_.rows_hot += rows.hot;
    }
    result_.buckets = static_cast<int64_t>(counts.size());
    if (counts.empty()) {
      Note("cold has no row in the range");
      return std::move(result_);
    }
    ARROW_RETURN_NOT_OK(LookAtTable(counts));
    ARROW_ASSIGN_OR_RAISE(const std::vector<Work> works, FindWork(counts));
    if (!works.empty() && !request_.dry_run) ARROW_RETURN_NOT_OK(inserter_.Try());
    for (const Work& work : works) ARROW_RETURN_NOT_OK(Explain(Do(work)));
    if (only_hot_ > 0 && plan_.compare.key.empty() && result_.rows_inserted > 0) {
      Note(fmt::format(
          "{} rows of the compared buckets are only in {}: where they are changed rows of cold's, both stand "
          "there now. --key tells them apart",
          only_hot_, result_.table));
    }
    if (result_.rows_changed > 0) {
      Note(fmt::format("{} rows of cold are in {} with other values, and were left as they are there",
                       result_.rows_changed, result_.table));
    }
    return std::move(result_);
  }

 private:
  void Note(std::string text) {
    context_.progress.Note(text);
    result_.notes.push_back(std::move(text));
  }

  void Begin() {
    result_.table = plan_.compare.table.FullName();
    result_.target = request_.target.ToString();
    result_.snapshot_id = plan_.compare.snapshot_id;
    result_.from = request_.from;
    result_.to = request_.to;
    for (const auto& [name, sql] : request_.set) result_.columns_set.push_back(name);
    result_.columns_excluded = request_.excluded;
    result_.insert = fmt::format("INSERT INTO {} {} FROM input({}) FORMAT ArrowStream", plan_.insertion.into,
                                 plan_.insertion.select, source::QuoteString(plan_.insertion.structure));
  }

  // Once the range's rows are known: what else the INSERTs will do.
  Status LookAtTable(const std::map<TimestampMicros, BucketRows>& counts) {
    auto views = ViewsFed(context_.source, plan_.compare.table);
    if (views.ok() && !views->empty()) {
      std::string names;
      for (const std::string& view : *views) names += (names.empty() ? "" : ", ") + view;
      Note(
          fmt::format("rows that are restored into {} also go into {}: what hangs on that table sees them as new rows. "
                      "Detach it first, or restore into another table, if it has them already",
                      result_.table, names));
    }
    const TimestampMicros oldest = counts.begin()->first;
    const TimestampMicros newest = std::min(counts.rbegin()->first + request_.bucket_micros - 1, plan_.range.to);
    const TtlOutlook ttl = LookAtTtl(context_.source, plan_.compare.table, plan_.compare.cursor, oldest, newest);
    if (!ttl.has_ttl) return Status::OK();
    if (ttl.newest_expired.value_or(false) && !request_.force) {
      return MakeError(
          ErrorKind::kConfig,
          fmt::format("all rows of the range are older than the TTL of {}: ClickHouse would drop them with "
                      "its next merge",
                      result_.table),
          "Restore into a table without a TTL (CREATE TABLE … AS, then ALTER TABLE … REMOVE TTL), or insist "
          "with --force.");
    }
    if (!ttl.oldest_expired || *ttl.oldest_expired) {
      Note(fmt::format("{} has a TTL{}: ClickHouse drops what is older with a merge", result_.table,
                       ttl.oldest_expired ? " that lies inside the range" : ""));
    }
    return Status::OK();
  }

  // Groups of buckets in order of time, without those that are equal.
  Result<std::vector<Work>> FindWork(const std::map<TimestampMicros, BucketRows>& counts) {
    std::map<TimestampMicros, BucketRows> lacking, some, different;
    for (const auto& [bucket, rows] : counts) {
      if (rows.cold > 0) (rows.hot == 0 ? lacking : some)[bucket] = rows;
    }
    for (const BucketGroup& run : GroupBuckets(some, request_.bucket_micros, plan_.range, INT64_MAX / 2)) {
      ARROW_ASSIGN_OR_RAISE(auto sides, comparison_.TakeFingerprints(run.window));
      for (TimestampMicros bucket : run.buckets) {
        const Fingerprint &hot = sides.hot[bucket], &cold = sides.cold[bucket];
        if (hot == cold) {
          ++result_.buckets_equal;
          rows_equal_ += cold.rows;
          continue;
        }
        different[bucket] = BucketRows{hot.rows, cold.rows};
        hot_before_[bucket] = hot;
      }
    }
    std::vector<Work> works;
    for (auto& group : GroupBuckets(lacking, request_.bucket_micros, plan_.range, kRowsOfAnInsert)) {
      works.push_back({std::move(group), false});
    }
    for (auto& group : GroupBuckets(different, request_.bucket_micros, plan_.range, comparison_.rows_max())) {
      works.push_back({std::move(group), true});
    }
    std::sort(works.begin(), works.end(),
              [](const Work& a, const Work& b) { return a.group.window.to < b.group.window.to; });
    return works;
  }

  Status Do(const Work& work) {
    InsertedRows sent;
    if (!work.has_some) {
      if (request_.dry_run) {
        result_.rows_inserted += work.group.rows;
        return Status::OK();
      }
      ARROW_RETURN_NOT_OK(Insert(work.group, nullptr, sent));
    }
    for (uint64_t pass = 0; work.has_some && pass < work.group.passes; ++pass) {
      ARROW_ASSIGN_OR_RAISE(MissingRows found, comparison_.FindMissing(work.group, pass));
      result_.rows_changed += found.changed;
      only_hot_ += found.only_hot;
      if (request_.dry_run) result_.rows_inserted += found.missing;
      if (request_.dry_run || found.wanted.empty()) continue;
      ARROW_RETURN_NOT_OK(Insert(work.group, &found.wanted, sent));
    }
    return sent.rows > 0 ? CheckInserted(work.group, sent) : Status::OK();
  }

  Status Insert(const BucketGroup& group, WantedRows* wanted, InsertedRows& sent) {
    InsertedRows now;
    const int64_t before = result_.rows_inserted;
    const Status done = inserter_.Insert(group, wanted, &now, [&](int64_t rows) {
      told_ += rows;
      const double seconds = std::chrono::duration<double>(Steady::now() - start_).count();
      context_.progress.Update(Progress{"restoring", told_, result_.rows_cold - rows_equal_, 0, 0, seconds});
    });
    ARROW_RETURN_NOT_OK(done);
    ++result_.inserts;
    result_.rows_inserted = before + now.rows;
    sent.rows += now.rows;
    fingerprint::Merge(now.sums, sent.sums);
    return Status::OK();
  }

  // The table must now have what it had, and what was sent. Where it has not, its rows are compared one by one: others
  // may have written meanwhile.
  Status CheckInserted(const BucketGroup& group, const InsertedRows& sent) {
    ARROW_ASSIGN_OR_RAISE(Fingerprints after, comparison_.TakeHotFingerprints(group.window));
    Fingerprints expected = sent.sums;
    for (TimestampMicros bucket : group.buckets) {
      if (auto before = hot_before_.find(bucket); before != hot_before_.end()) expected[bucket].Add(before->second);
    }
    const bool as_expected = std::all_of(group.buckets.begin(), group.buckets.end(),
                                         [&](TimestampMicros bucket) { return after[bucket] == expected[bucket]; });
    if (as_expected) return Status::OK();
    BucketGroup again = group;
    int64_t rows = 0;
    for (TimestampMicros bucket : group.buckets) rows += after[bucket].rows + expected[bucket].rows;
    again.passes = static_cast<uint64_t>(rows / comparison_.rows_max() + 1);
    int64_t missing = 0;
    for (uint64_t pass = 0; pass < again.passes; ++pass) {
      ARROW_ASSIGN_OR_RAISE(const MissingRows found, comparison_.FindMissing(again, pass));
      missing += found.missing;
    }
    if (missing == 0) return Status::OK();
    return MakeError(
        ErrorKind::kFailed,
        fmt::format("{} of {} rows that were inserted between {} and {} are not in {}", missing, sent.rows,
                    FormatTimestamp(*group.window.from + 1), FormatTimestamp(group.window.to), result_.table),
        "See whether its TTL, a row policy, a limit in the user's profile or another session takes rows "
        "away; then run this again.");
  }

  // What an operator has to do after an INSERT that failed is always the same.
  static Status Explain(const Status& status) {
    if (status.ok() || KindOf(status) != ErrorKind::kUnknownOutcome) return status;
    return WithKind(status, ErrorKind::kUnknownOutcome,
                    "Run the same command again: it compares first, and inserts only what is missing by then.");
  }

  const RestoreContext& context_;
  const RestoreRequest& request_;
  RestorePlan plan_;
  RestoreComparison comparison_;
  RestoreInserter inserter_;
  RestoreResult result_;
  Fingerprints hot_before_;  // of the buckets that differ
  int64_t only_hot_ = 0, told_ = 0, rows_equal_ = 0;
  const Steady::time_point start_ = Steady::now();
};

Status HeldBy(const journal::Lease& lease, const std::string& into) {
  return MakeError(ErrorKind::kConflict,
                   fmt::format("another restore into {} is at work ({}, since {})", into, HolderOf(lease),
                               FormatTimestamp(lease.since)),
                   "Two at once would both insert what is missing: wait for it.");
}

}  // namespace

Result<RestoreResult> RestoreTable(const RestoreContext& context, const RestoreRequest& request) {
  const auto start = Steady::now();
  ARROW_RETURN_NOT_OK(CheckServer(context.source));
  std::string created;
  ARROW_ASSIGN_OR_RAISE(RestorePlan plan, PlanRestore(context, request, &created));
  std::optional<TableLease> lease;
  if (context.journal && !request.dry_run && request.lease_micros > 0) {
    const std::string into = plan.compare.table.FullName();
    lease.emplace(*context.journal, context.clock, fmt::format("restore into {} at {}", into, context.source.name()),
                  request.lease_micros);
    auto other = lease->Acquire();
    if (!other.ok()) {
      context.progress.Note(fmt::format("the journal could not be asked whether another restore is at work: {}",
                                        MessageOf(other.status())));
    } else if (*other) {
      return HeldBy(**other, into);
    }
  }
  ARROW_ASSIGN_OR_RAISE(RestoreResult result, Restore(context, request, std::move(plan)).Run());
  result.created = created;
  result.seconds = std::chrono::duration<double>(Steady::now() - start).count();
  return result;
}

}  // namespace calve::offload
