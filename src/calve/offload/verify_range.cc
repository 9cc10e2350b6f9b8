#include "calve/offload/verify_range.h"

#include <algorithm>
#include <map>
#include <utility>

#include "calve/fingerprint/bucket_fingerprints.h"
#include "calve/offload/verify_rows.h"

namespace calve::offload {
namespace {

using fingerprint::Fingerprint;
using fingerprint::FingerprintBuilder;
using fingerprint::Fingerprints;

struct RangeFingerprints {
  Fingerprints hot, cold;
};

const Fingerprint& OfBucket(const Fingerprints& side, TimestampMicros bucket) {
  static const Fingerprint kNone;
  const auto found = side.find(bucket);
  return found == side.end() ? kNone : found->second;
}

Result<RangeFingerprints> TakeFingerprints(const VerifyRequest& request, const VerifyPlan& plan, VerifySides& sides,
                                           const Window& range) {
  auto builder = [&] { return FingerprintBuilder(plan.column_ids, plan.cursor_index, request.bucket_micros); };
  FingerprintBuilder of_hot = builder();
  std::vector<FingerprintBuilder> of_cold;
  for (size_t i = 0; i < sides.cold_lanes(); ++i) of_cold.push_back(builder());
  ARROW_RETURN_NOT_OK(sides.Read(
      range, [&](size_t, const std::shared_ptr<arrow::RecordBatch>& batch) { return of_hot.Add(*batch); },
      [&](size_t lane, const std::shared_ptr<arrow::RecordBatch>& batch) { return of_cold[lane].Add(*batch); }));
  RangeFingerprints taken{of_hot.buckets(), {}};
  for (const FingerprintBuilder& lane : of_cold) fingerprint::Merge(lane.buckets(), taken.cold);
  return taken;
}

// As many rows on both sides: a column whose sum differs holds other values.
void AddColumns(const iceberg::Schema& schema, const Fingerprint& hot, const Fingerprint& cold, BucketResult& result) {
  for (size_t c = 0; c < schema.fields.size() && c < hot.columns.size() && c < cold.columns.size(); ++c) {
    if (hot.columns[c] == cold.columns[c]) continue;
    const std::string& name = schema.fields[c].name;
    if (std::find(result.columns.begin(), result.columns.end(), name) == result.columns.end()) {
      result.columns.push_back(name);
    }
  }
}

}  // namespace

Result<ComparedRange> CompareRange(const VerifyRequest& request, const VerifyPlan& plan, VerifySides& sides,
                                   const Window& range) {
  ARROW_ASSIGN_OR_RAISE(const RangeFingerprints taken, TakeFingerprints(request, plan, sides, range));
  ComparedRange compared;
  std::map<TimestampMicros, BucketRows> different;
  Fingerprints all = taken.hot;
  fingerprint::Merge(taken.cold, all);
  for (const auto& [bucket, sums] : all) {
    const Fingerprint &hot = OfBucket(taken.hot, bucket), &cold = OfBucket(taken.cold, bucket);
    ++compared.buckets;
    compared.rows_hot += hot.rows;
    compared.rows_cold += cold.rows;
    if (!(hot == cold)) different[bucket] = BucketRows{hot.rows, cold.rows};
  }
  std::map<TimestampMicros, BucketResult> found;
  for (const BucketGroup& group :
       GroupBuckets(different, request.bucket_micros, range, RowsInMemory(request), kComparedTogetherMax)) {
    ARROW_ASSIGN_OR_RAISE(auto buckets, CompareBucketRows(request, plan, sides, group));
    found.merge(buckets);
  }
  for (const auto& [bucket, rows] : different) {
    const auto at = found.find(bucket);
    if (at == found.end()) {
      const bool doubled = plan.unique_key() && rows.hot > rows.cold;
      compared.notes.push_back(
          fmt::format("bucket {} {}", FormatTimestamp(bucket),
                      doubled ? "has rows of one key more than once in the source; cold has each once"
                              : "differed at the first look and not at the second: the source is changing"));
      continue;
    }
    BucketResult& result = at->second;
    result.rows_hot = rows.hot;
    result.rows_cold = rows.cold;
    if (rows.hot == rows.cold) {
      AddColumns(plan.schema, OfBucket(taken.hot, bucket), OfBucket(taken.cold, bucket), result);
    }
    JudgeBucket(request, plan, result);
    compared.differences.push_back(std::move(result));
  }
  return compared;
}

void AddCompared(ComparedRange compared, VerifyResult& result) {
  result.buckets += compared.buckets;
  result.rows_hot += compared.rows_hot;
  result.rows_cold += compared.rows_cold;
  for (BucketResult& bucket : compared.differences) result.differences.push_back(std::move(bucket));
  for (std::string& note : compared.notes) result.notes.push_back(std::move(note));
}

void JudgeBucket(const VerifyRequest& request, const VerifyPlan& plan, BucketResult& bucket) {
  const bool retired = plan.retired_to && bucket.start <= *plan.retired_to;
  bucket.extra_allowed = bucket.extra > 0 && (plan.expires || retired || bucket.rows_hot == 0);
  const bool hard = bucket.missing > 0 || bucket.changed > 0 || bucket.duplicates > 0;
  const bool extra = bucket.extra > 0 && (request.strict || !bucket.extra_allowed);
  bucket.different = hard || extra || (request.strict && bucket.defaulted > 0);
}

}  // namespace calve::offload
