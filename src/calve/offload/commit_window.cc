#include "calve/offload/commit_window.h"

#include <utility>

#include "calve/base/random.h"
#include "calve/offload/commit_decision.h"
#include "calve/table/snapshot_producer.h"

namespace calve::offload {
namespace {

using catalog::LoadedTable;

// One commit over its tries.
class Committer {
 public:
  Committer(catalog::Catalog& catalog, storage::FileIO& file_io, const Clock& clock, const WindowCommit& commit,
            const Sleep& sleep)
      : catalog_(catalog), clock_(clock), commit_(commit), sleep_(sleep), producer_(file_io, RequestOf(commit)) {}

  Result<CommittedWindow> Run() {
    const LoadedTable& planned = commit_.planned_on;
    ARROW_ASSIGN_OR_RAISE(RetryPolicy policy, table::CommitRetryPolicyOf(planned.metadata));
    LoadedTable table;  // as it was reloaded; a long history is not copied for the first try
    const TimestampMicros began = clock_.Now();
    Status last;
    for (int attempt = 1; policy.MayTry(attempt, (clock_.Now() - began) / 1000); ++attempt) {
      if (attempt > 1) {
        Status slept = sleep_(policy.WaitMs(attempt, RandomUnit()));
        if (!slept.ok()) return GiveUp(slept);
        auto reloaded = catalog_.LoadTable(commit_.ident);
        if (!reloaded.ok()) {
          last = reloaded.status();
          continue;  // the catalog does not answer: that proves nothing, look again
        }
        table = std::move(*reloaded);
        auto next = DecideNextStep(table.metadata, planned.metadata.table_uuid, commit_.stamp.commit_id,
                                   commit_.planned_from, commit_.planned_commit);
        if (!next.ok()) return GiveUp(next.status());
        if (*next != NextStep::kTryAgain) return Settle(*next, table);
      }
      last = TryOnce(attempt == 1 ? planned.metadata : table.metadata);
      if (last.ok()) return Done(*committed_);
      ErrorKind kind = KindOf(last);
      if (kind == ErrorKind::kUnknownOutcome) unknown_ = true;
      bool again = kind == ErrorKind::kUnknownOutcome || kind == ErrorKind::kConflict || kind == ErrorKind::kRetry;
      if (!again || overtaken_) return GiveUp(last);
    }
    return GiveUp(last);
  }

 private:
  static table::SnapshotRequest RequestOf(const WindowCommit& commit) {
    const std::string& prefix = commit.file_prefix.empty() ? commit.stamp.commit_id : commit.file_prefix;
    return table::SnapshotRequest{commit.files, commit.removed, StampSummary(commit.stamp), prefix,
                                  commit.planned_on.metadata.current_snapshot_id};
  }

  Status TryOnce(const iceberg::TableMetadata& base) {
    auto prepared = producer_.Prepare(base, clock_.Now() / 1000);
    overtaken_ = KindOf(prepared.status()) == ErrorKind::kConflict;
    ARROW_RETURN_NOT_OK(prepared.status());
    const iceberg::Snapshot& snapshot = prepared->snapshot;
    std::vector<iceberg::TableUpdate> updates = prepared->updates;
    if (base.format_version < 2) updates.insert(updates.begin(), iceberg::UpgradeFormatVersion{2});
    updates.push_back(iceberg::SetProperties{
        {{kWatermarkProperty, StampProperty(commit_.stamp, snapshot.snapshot_id, snapshot.sequence_number)}}});
    if (commit_.start_from) {
      updates.push_back(iceberg::SetProperties{{{kStartProperty, FormatTimestamp(*commit_.start_from)}}});
    }
    updates.push_back(iceberg::SetSnapshotRef{
        kWatermarkTag, iceberg::SnapshotRef{snapshot.snapshot_id, /*is_branch=*/false, {}, {}, {}}});
    committed_ = prepared.MoveValueUnsafe();
    return catalog_.CommitTable(commit_.ident, committed_->requirements, updates).status();
  }

  CommittedWindow Done(const table::PreparedSnapshot& prepared) {
    // What earlier tries wrote is of no use to anybody: if one of them had landed, this one would have been refused.
    Status cleaned = producer_.DeleteUnused(&prepared);
    static_cast<void>(cleaned);  // leftovers are found by orphan removal
    return CommittedWindow{CommitOutcome::kCommitted, prepared.snapshot.snapshot_id, unknown_};
  }

  Result<CommittedWindow> Settle(NextStep next, const LoadedTable& table) {
    switch (next) {
      case NextStep::kDone: {
        auto trace = FindCommit(table.metadata, commit_.stamp.commit_id);
        int64_t snapshot_id = trace ? trace->snapshot_id : 0;
        // Which try it was is known again: what the others wrote is of no use, as in Done().
        if (const iceberg::Snapshot* landed = table.metadata.FindSnapshot(snapshot_id)) {
          table::PreparedSnapshot committed{*landed, {}, {}};
          Status cleaned = producer_.DeleteUnused(&committed);
          static_cast<void>(cleaned);
        }
        return CommittedWindow{CommitOutcome::kCommitted, snapshot_id, true};
      }
      case NextStep::kRolledBack:
        return CommittedWindow{CommitOutcome::kRolledBack, 0, unknown_};
      default:
        // Not in, and with the watermark moved it never can be: a late effect would fail its own compare-and-set.
        if (!unknown_) {
          Status cleaned = producer_.DeleteUnused(nullptr);
          static_cast<void>(cleaned);
        }
        return CommittedWindow{CommitOutcome::kLostRace, 0, unknown_};
    }
  }

  Result<CommittedWindow> GiveUp(const Status& last) {
    if (unknown_) {
      return MakeError(ErrorKind::kUnknownOutcome,
                       fmt::format("it is not known whether commit {} is in {}: {}", commit_.stamp.commit_id,
                                   commit_.ident.ToString(), MessageOf(last)),
                       "Run again: the watermark in the table tells, and nothing is offloaded twice.");
    }
    Status cleaned = producer_.DeleteUnused(nullptr);
    static_cast<void>(cleaned);
    return WithContext(last, fmt::format("committing to {}", commit_.ident.ToString()));
  }

  catalog::Catalog& catalog_;
  const Clock& clock_;
  const WindowCommit& commit_;
  const Sleep& sleep_;
  table::SnapshotProducer producer_;
  std::optional<table::PreparedSnapshot> committed_;  // the latest try's
  bool unknown_ = false;
  bool overtaken_ = false;  // the files to replace are not what they were: no later try can do it
};

}  // namespace

Result<CommittedWindow> CommitWindow(catalog::Catalog& catalog, storage::FileIO& file_io, const Clock& clock,
                                     const WindowCommit& commit, const Sleep& sleep) {
  return Committer(catalog, file_io, clock, commit, sleep).Run();
}

Result<std::optional<CommittedWindow>> CommitOrDelete(catalog::Catalog& catalog, storage::FileIO& file_io,
                                                      const Clock& clock, const WindowCommit& commit) {
  auto outcome = CommitWindow(catalog, file_io, clock, commit, table::SleepFor);
  bool may_delete = outcome.ok() ? outcome->outcome == CommitOutcome::kLostRace && !outcome->outcome_was_unknown
                                 : KindOf(outcome.status()) != ErrorKind::kUnknownOutcome;
  if (may_delete) {
    for (const auto& file : commit.files) {
      Status deleted = file_io.Delete(file.file_path);
      static_cast<void>(deleted);  // leftovers are found by orphan removal
    }
  }
  ARROW_RETURN_NOT_OK(outcome.status());
  if (outcome->outcome == CommitOutcome::kLostRace) return std::nullopt;
  if (outcome->outcome == CommitOutcome::kRolledBack) {
    return MakeError(ErrorKind::kFailed, "the window was committed, but main was moved away from it meanwhile",
                     "If that was meant, the next run offloads the window again.");
  }
  return *outcome;
}

}  // namespace calve::offload
