#include "calve/maintain/replace_commit.h"

#include <fmt/format.h>

#include <utility>

#include "calve/base/random.h"

namespace calve::maintain {
namespace {

table::SnapshotRequest RequestOf(const ReplaceCommit& commit) {
  table::SnapshotRequest request = commit.request;
  request.replace = true;
  request.commit_id = commit.file_id.empty() ? commit.commit_id : commit.file_id;
  request.summary["calve.kind"] = commit.kind;
  request.summary["calve.commit-id"] = commit.commit_id;
  request.summary["calve.version"] = CALVE_VERSION;
  return request;
}

class Replacer {
 public:
  Replacer(catalog::Catalog& catalog, storage::FileIO& file_io, const Clock& clock, const ReplaceCommit& commit,
           const table::Sleep& sleep)
      : catalog_(catalog), clock_(clock), commit_(commit), sleep_(sleep), producer_(file_io, RequestOf(commit)) {}

  Result<std::optional<int64_t>> Run() {
    const iceberg::TableMetadata& planned = commit_.planned_on.metadata;
    ARROW_ASSIGN_OR_RAISE(const RetryPolicy policy, table::CommitRetryPolicyOf(planned));
    const TimestampMicros began = clock_.Now();
    catalog::LoadedTable reloaded;
    Status last;
    for (int attempt = 1; policy.MayTry(attempt, (clock_.Now() - began) / 1000); ++attempt) {
      if (attempt > 1) {
        const Status slept = sleep_(policy.WaitMs(attempt, RandomUnit()));
        if (!slept.ok()) return GiveUp(slept);
        auto loaded = catalog_.LoadTable(commit_.ident);
        if (!loaded.ok()) {
          last = loaded.status();
          continue;  // that proves nothing
        }
        reloaded = std::move(*loaded);
        if (prepared_ && reloaded.metadata.FindSnapshot(prepared_->snapshot.snapshot_id) != nullptr) {
          return Landed(*reloaded.metadata.FindSnapshot(prepared_->snapshot.snapshot_id));
        }
        if (reloaded.metadata.table_uuid != planned.table_uuid) {
          return GiveUp(MakeError(ErrorKind::kConflict, "the table was made anew meanwhile", "Run again."));
        }
        if (commit_.still_wanted) {
          const auto wanted = commit_.still_wanted(reloaded.metadata);
          if (!wanted.ok()) return GiveUp(wanted.status());
          if (!*wanted && !unknown_) return DeleteUnused(nullptr), std::nullopt;
        }
      }
      last = TryOnce(attempt == 1 ? planned : reloaded.metadata);
      if (last.ok()) return DeleteUnused(&*prepared_), prepared_->snapshot.snapshot_id;
      const ErrorKind kind = KindOf(last);
      unknown_ = unknown_ || kind == ErrorKind::kUnknownOutcome;
      const bool again =
          kind == ErrorKind::kUnknownOutcome || kind == ErrorKind::kConflict || kind == ErrorKind::kRetry;
      if (!again || overtaken_) break;
    }
    return GiveUp(last);
  }

 private:
  Status TryOnce(const iceberg::TableMetadata& base) {
    auto prepared = producer_.Prepare(base, clock_.Now() / 1000);
    overtaken_ = KindOf(prepared.status()) == ErrorKind::kConflict;
    ARROW_RETURN_NOT_OK(prepared.status());
    prepared_ = prepared.MoveValueUnsafe();
    return catalog_.CommitTable(commit_.ident, prepared_->requirements, prepared_->updates).status();
  }

  // An earlier try is in: which one, its manifest list tells.
  std::optional<int64_t> Landed(const iceberg::Snapshot& snapshot) {
    const table::PreparedSnapshot committed{snapshot, {}, {}};
    DeleteUnused(&committed);
    return snapshot.snapshot_id;
  }

  Status GiveUp(const Status& last) {
    if (!unknown_) {
      DeleteUnused(nullptr);
      return WithContext(last, "committing to " + commit_.ident.ToString());
    }
    return MakeError(ErrorKind::kUnknownOutcome,
                     fmt::format("it is not known whether commit {} is in {}: {}", commit_.commit_id,
                                 commit_.ident.ToString(), MessageOf(last)),
                     "Run again: the rows are the same with it and without it. If it is not in, --orphans finds what "
                     "it left.");
  }

  void DeleteUnused(const table::PreparedSnapshot* committed) {
    const Status cleaned = producer_.DeleteUnused(committed);
    static_cast<void>(cleaned);  // leftovers are found by orphan removal
  }

  catalog::Catalog& catalog_;
  const Clock& clock_;
  const ReplaceCommit& commit_;
  const table::Sleep& sleep_;
  table::SnapshotProducer producer_;
  std::optional<table::PreparedSnapshot> prepared_;  // the latest try's
  bool unknown_ = false;
  bool overtaken_ = false;
};

}  // namespace

Result<std::optional<int64_t>> CommitReplacement(catalog::Catalog& catalog, storage::FileIO& file_io,
                                                 const Clock& clock, const ReplaceCommit& commit,
                                                 const table::Sleep& sleep) {
  return Replacer(catalog, file_io, clock, commit, sleep).Run();
}

}  // namespace calve::maintain
