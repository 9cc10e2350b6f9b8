#include "calve/offload/repair.h"

#include <fmt/ranges.h>

#include "calve/offload/reconcile.h"
#include "calve/offload/source_select.h"
#include "calve/offload/table_lease.h"

namespace calve::offload {
namespace {

Status TakeLease(const VerifyContext& context, const VerifyRequest& request, int64_t lease_micros,
                 std::optional<TableLease>& lease, std::vector<std::string>& notes) {
  if (!context.journal || lease_micros <= 0) return Status::OK();
  lease.emplace(*context.journal, context.clock, context.catalog, context.file_io, request.target, lease_micros);
  auto other = lease->Acquire();
  if (!other.ok()) {
    notes.push_back(fmt::format("the journal could not be asked who works here: {}", MessageOf(other.status())));
    return Status::OK();
  }
  if (!*other) return Status::OK();
  return MakeError(ErrorKind::kFailed,
                   fmt::format("another calve works on {} ({}), until {} at the latest", request.target.ToString(),
                               HolderOf(**other), FormatTimestamp((*other)->until)),
                   "Run again when it is done.");
}

bool CanBeMended(const BucketResult& bucket) {
  return bucket.missing > 0 || bucket.changed > 0 || bucket.duplicates > 0 || bucket.extra > 0;
}

Result<ReconcileRequest> ReconcileRequestOf(const VerifyContext& context, const VerifyRequest& request,
                                            const VerifyResult& found) {
  ReconcileRequest reconcile;
  reconcile.verify = request;
  reconcile.policy = ChangePolicy::kRepair;
  reconcile.kind = "repair";
  reconcile.differ = true;
  reconcile.up_to = found.up_to.value_or(INT64_MAX);
  for (const BucketResult& bucket : found.differences) {
    if (CanBeMended(bucket)) reconcile.buckets[bucket.start] = BucketRows{bucket.rows_hot, bucket.rows_cold};
  }
  if (request.cold_only) return reconcile;
  ARROW_ASSIGN_OR_RAISE(auto table, DescribeRows(*context.source, request.source_table, request.query, request.where));
  const bool has_cursor = std::find(found.key.begin(), found.key.end(), request.timestamp_column) != found.key.end();
  reconcile.key_spans_time = ReadsMerged(table.merging_engine()) && !found.key.empty() && !has_cursor;
  return reconcile;
}

void TellWhatWasLeft(const VerifyRequest& request, const ReconcileResult& done, std::vector<std::string>& notes) {
  for (const auto& [bucket, rows] : done.left.ambiguous) {
    notes.push_back(
        fmt::format("bucket {}: {} rows are only in hot and {} only in cold: missing rows cannot be told "
                    "from changed ones without a key; name one with --key",
                    FormatTimestamp(bucket), rows.first, rows.second));
  }
  if (done.left.retired > 0) {
    notes.push_back(fmt::format(
        "{} keys have other rows in hot than in cold, at a time that has been retired: what hot has of them may be "
        "older or a part, and cold's rows stay",
        done.left.retired));
  }
  if (done.left.keys_not_unique > 0) {
    notes.push_back(
        fmt::format("{} rows are of keys that hot has several different rows of: {} does not tell its rows "
                    "apart, and they were left alone",
                    done.left.keys_not_unique, fmt::join(request.key, ",")));
  }
  if (done.left.extra > 0) {
    notes.push_back(fmt::format("{} rows that only cold has were left alone: nothing is deleted because hot lacks it",
                                done.left.extra));
  }
}

// The buckets from the first to the last that were mended.
VerifyRequest Again(const VerifyRequest& request, const ReconcileRequest& mended) {
  VerifyRequest again = request;
  if (request.cold_only || mended.buckets.empty()) return again;
  const TimestampMicros first = mended.buckets.begin()->first;
  const TimestampMicros end = mended.buckets.rbegin()->first + request.bucket_micros;
  again.from = request.from ? std::max(*request.from, first) : first;
  again.to = request.to ? std::min(*request.to, end) : end;
  again.sample = 1;
  return again;
}

}  // namespace

Result<RepairResult> RepairTable(const VerifyContext& context, const VerifyRequest& request, int64_t lease_micros) {
  if (request.cold_only && request.key.empty()) {
    return MakeError(ErrorKind::kConfig,
                     "--cold-only --repair needs --key: without a source nothing else tells that a row is there twice",
                     "Name the columns that tell rows apart.");
  }
  RepairResult result;
  std::optional<TableLease> lease;
  ARROW_RETURN_NOT_OK(TakeLease(context, request, lease_micros, lease, result.notes));
  ARROW_ASSIGN_OR_RAISE(result.before, VerifyTable(context, request));
  result.after = result.before;
  ARROW_ASSIGN_OR_RAISE(const ReconcileRequest reconcile, ReconcileRequestOf(context, request, result.before));
  if (reconcile.buckets.empty()) return result;
  ARROW_ASSIGN_OR_RAISE(const ReconcileResult done, Reconcile(context, reconcile));
  result.rows_added = done.rows_added;
  result.rows_removed = done.rows_removed;
  result.files_added = done.files_added;
  result.files_removed = done.files_removed;
  result.snapshot_id = done.snapshot_id;
  TellWhatWasLeft(request, done, result.notes);
  if (done.overtaken) {
    return MakeError(ErrorKind::kFailed,
                     fmt::format("another writer committed to {} while it was repaired: {} rows were added and {} "
                                 "removed until then",
                                 request.target.ToString(), done.rows_added, done.rows_removed),
                     "Run again: it goes on with what is left.");
  }
  if (!done.snapshot_id) return result;
  ARROW_ASSIGN_OR_RAISE(result.after, VerifyTable(context, Again(request, reconcile)));
  return result;
}

}  // namespace calve::offload
