#include "calve/offload/restore_compare.h"

#include "calve/offload/bucket_counts.h"
#include "calve/offload/bucket_row_hasher.h"
#include "calve/offload/hot_rows.h"
#include "calve/offload/source_select.h"

namespace calve::offload {
namespace {

using fingerprint::FingerprintBuilder;
using fingerprint::Fingerprints;
using fingerprint::RowEntry;

constexpr int64_t kCompareQueueBytesMax = 32 << 20;

VerifyRequest VerifyRequestOf(const RestoreRequest& request) {
  VerifyRequest verify;
  verify.target = request.target;
  verify.timestamp_column = request.timestamp_column;
  verify.bucket_micros = request.bucket_micros;
  verify.cold_threads = request.cold_threads;
  verify.memory_bytes = request.memory_bytes;
  verify.settings = request.settings;
  return verify;
}

}  // namespace

RestoreComparison::RestoreComparison(const RestoreContext& context, const RestoreRequest& request,
                                     const RestorePlan& plan)
    : context_(context),
      request_(request),
      plan_(plan),
      verify_context_{&context.source, context.catalog, context.file_io, context.clock, context.stop, context.progress},
      verify_request_(VerifyRequestOf(request)),
      sides_(verify_context_, verify_request_, plan.compare) {}

FingerprintBuilder RestoreComparison::NewBuilder() const {
  return FingerprintBuilder(plan_.compare.column_ids, plan_.compare.cursor_index, request_.bucket_micros);
}

RowConsumer RestoreComparison::WithDefaults(const RowConsumer& consumer) const {
  return [this, &consumer](size_t lane, const std::shared_ptr<arrow::RecordBatch>& batch) -> Status {
    ARROW_ASSIGN_OR_RAISE(auto filled, plan_.defaults.Apply(batch, plan_.compare.schema));
    return consumer(lane, filled);
  };
}

Result<std::map<TimestampMicros, BucketRows>> RestoreComparison::Count() {
  ARROW_ASSIGN_OR_RAISE(auto buckets, CountCold());
  if (!buckets.empty()) ARROW_RETURN_NOT_OK(CountHot(buckets));
  return buckets;
}

Result<std::map<TimestampMicros, BucketRows>> RestoreComparison::CountCold() {
  std::map<TimestampMicros, BucketRows> buckets;
  const VerifyPlan& compare = plan_.compare;
  if (!compare.snapshot_id) return buckets;
  const iceberg::NestedField& cursor = compare.schema.fields[static_cast<size_t>(compare.cursor_index)];
  ColdScan scan;
  scan.schema.fields = {cursor};
  scan.table_schema = compare.target.schema();
  scan.range = iceberg::RowRange{cursor.id, plan_.range.from, plan_.range.to};
  if (plan_.range.to == INT64_MAX) scan.range->up_to.reset();
  ARROW_ASSIGN_OR_RAISE(scan.tasks,
                        table::PlanScan(context_.file_io, compare.target, *compare.snapshot_id, scan.range));
  std::vector<FingerprintBuilder> lanes(request_.cold_threads,
                                        FingerprintBuilder({cursor.id}, 0, request_.bucket_micros));
  ARROW_RETURN_NOT_OK(ReadColdRows(context_.file_io, scan, lanes.size(), context_.stop,
                                   [&](size_t lane, const auto& batch) { return lanes[lane].Add(*batch); }));
  for (const FingerprintBuilder& lane : lanes) {
    for (const auto& [bucket, sums] : lane.buckets()) buckets[bucket].cold += sums.rows;
  }
  return buckets;
}

Status RestoreComparison::CountHot(std::map<TimestampMicros, BucketRows>& buckets) {
  const Cursor& cursor = plan_.compare.cursor;
  Window window{buckets.begin()->first - 1, buckets.rbegin()->first + request_.bucket_micros - 1};
  if (plan_.range.from) window.from = std::max(*window.from, *plan_.range.from);
  window.to = std::min(window.to, plan_.range.to);
  ARROW_ASSIGN_OR_RAISE(auto counts, CountByBucket(context_.source, plan_.compare.table, cursor, window,
                                                   request_.bucket_micros, request_.settings));
  // Buckets that only the table has are none of ours.
  for (const auto& [start, count] : counts) {
    auto found = buckets.find(start);
    if (found != buckets.end()) found->second.hot = count;
  }
  return Status::OK();
}

Result<RestoreComparison::Sides> RestoreComparison::TakeFingerprints(const Window& window) {
  FingerprintBuilder hot = NewBuilder();
  std::vector<FingerprintBuilder> cold(sides_.cold_lanes(), NewBuilder());
  const RowConsumer add_cold = [&](size_t lane, const std::shared_ptr<arrow::RecordBatch>& batch) {
    return cold[lane].Add(*batch);
  };
  ARROW_RETURN_NOT_OK(sides_.Read(
      window, [&](size_t, const auto& batch) { return hot.Add(*batch); }, WithDefaults(add_cold)));
  Sides sides{hot.buckets(), {}};
  for (const FingerprintBuilder& lane : cold) fingerprint::Merge(lane.buckets(), sides.cold);
  return sides;
}

Result<Fingerprints> RestoreComparison::TakeHotFingerprints(const Window& window) {
  FingerprintBuilder hot = NewBuilder();
  HotScan scan;
  scan.sql = SelectRows(plan_.compare.table, plan_.compare.columns, window, plan_.compare.cursor);
  scan.query.settings = request_.settings;
  scan.schema = plan_.compare.schema;
  scan.window = window;
  scan.cursor_column = plan_.compare.cursor.column;
  scan.queue_bytes_max = std::min(request_.memory_bytes / 8, kCompareQueueBytesMax);
  ARROW_RETURN_NOT_OK(
      ReadHotRows(context_.source, scan, context_.stop, [&](size_t, const auto& batch) { return hot.Add(*batch); }));
  return hot.buckets();
}

Result<MissingRows> RestoreComparison::FindMissing(const BucketGroup& group, uint64_t pass) {
  const size_t hot_lane = sides_.cold_lanes();
  std::vector<std::vector<RowEntry>> entries(hot_lane + 1);
  std::vector<BucketRowHasher> hashers(entries.size(), BucketRowHasher(plan_.compare, request_.bucket_micros));
  const auto collect = [&](size_t lane, const arrow::RecordBatch& batch) {
    return hashers[lane].ForEach(batch, &group.buckets, lane == hot_lane, [&](const RowEntry& entry, int64_t, size_t) {
      if (fingerprint::InPass(entry.key, pass, group.passes)) entries[lane].push_back(entry);
      return Status::OK();
    });
  };
  const RowConsumer collect_cold = [&](size_t lane, const std::shared_ptr<arrow::RecordBatch>& batch) {
    return collect(lane, *batch);
  };
  ARROW_RETURN_NOT_OK(sides_.Read(
      group.window, [&](size_t, const auto& batch) { return collect(hot_lane, *batch); }, WithDefaults(collect_cold)));
  std::vector<RowEntry> cold = std::move(entries[0]);
  for (size_t lane = 1; lane < hot_lane; ++lane) {
    cold.insert(cold.end(), entries[lane].begin(), entries[lane].end());
    entries[lane] = {};
  }
  RowMatching identity = plan_.merges ? RowMatching::kMerged : RowMatching::kKey;
  if (plan_.compare.key.empty()) identity = RowMatching::kWhole;
  return FindMissingRows(entries[hot_lane], cold, identity);
}

}  // namespace calve::offload
