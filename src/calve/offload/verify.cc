#include "calve/offload/verify.h"

#include <algorithm>
#include <chrono>

#include "calve/fingerprint/bucket_fingerprints.h"
#include "calve/offload/verify_rows.h"
#include "calve/source/cluster_query.h"

namespace calve::offload {
namespace {

using fingerprint::Fingerprint;
using fingerprint::FingerprintBuilder;
using fingerprint::Fingerprints;

using Steady = std::chrono::steady_clock;

class Verify {
 public:
  Verify(const VerifyContext& context, const VerifyRequest& request, VerifyPlan plan)
      : context_(context), request_(request), plan_(std::move(plan)), sides_(context_, request_, plan_) {}

  Result<VerifyResult> Run() {
    Begin();
    if (request_.cold_only) {
      ARROW_RETURN_NOT_OK(LookForDuplicates());
    } else {
      ARROW_RETURN_NOT_OK(CountRowsWithoutCursor());
      for (const Window& range : plan_.ranges) ARROW_RETURN_NOT_OK(CompareRange(range));
    }
    for (BucketResult& bucket : result_.differences) Judge(bucket);
    return std::move(result_);
  }

 private:
  void Note(std::string text) {
    context_.progress.Note(text);
    result_.notes.push_back(std::move(text));
  }

  void Begin() {
    for (std::string& note : plan_.notes) Note(std::move(note));
    if (!request_.cold_only) result_.table = plan_.table.FullName();
    result_.target = request_.target.ToString();
    result_.snapshot_id = plan_.snapshot_id;
    result_.watermark = plan_.watermark;
    if (!plan_.ranges.empty()) {
      if (plan_.ranges.front().from) result_.from = *plan_.ranges.front().from + 1;
      if (plan_.ranges.back().to != INT64_MAX) result_.up_to = plan_.ranges.back().to;
    }
    for (const auto& field : plan_.schema.fields) result_.columns.push_back(field.name);
    for (int column : plan_.key) result_.key.push_back(result_.columns[static_cast<size_t>(column)]);
    result_.columns_not_compared = plan_.columns_not_compared;
  }

  Status CountRowsWithoutCursor() {
    if (!plan_.cursor.nullable) return Status::OK();
    ARROW_ASSIGN_OR_RAISE(result_.rows_null_cursor,
                          source::CountOnShards(*context_.source,
                                                fmt::format("SELECT toString(count()) FROM {} WHERE {} IS NULL",
                                                            FromClause(plan_.table), CursorName(plan_.cursor)),
                                                source::QueryOptions{"", request_.settings}));
    if (result_.rows_null_cursor > 0) {
      Note(fmt::format("{} rows of {} have no {} (NULL): they are never offloaded, and not compared",
                       result_.rows_null_cursor, result_.table, plan_.cursor.column));
    }
    return Status::OK();
  }

  // First the fingerprints of all buckets, then the rows of those that differ.
  Status CompareRange(const Window& range) {
    Fingerprints hot, cold;
    ARROW_RETURN_NOT_OK(TakeFingerprints(range, hot, cold));
    std::map<TimestampMicros, BucketRows> different;
    Fingerprints all = hot;
    fingerprint::Merge(cold, all);
    static const Fingerprint kNone;
    auto of = [](const Fingerprints& side, TimestampMicros bucket) -> const Fingerprint& {
      auto found = side.find(bucket);
      return found == side.end() ? kNone : found->second;
    };
    for (const auto& [bucket, sums] : all) {
      const Fingerprint &in_hot = of(hot, bucket), &in_cold = of(cold, bucket);
      ++result_.buckets;
      result_.rows_hot += in_hot.rows;
      result_.rows_cold += in_cold.rows;
      if (!(in_hot == in_cold)) different[bucket] = BucketRows{in_hot.rows, in_cold.rows};
    }
    std::map<TimestampMicros, BucketResult> compared;
    for (const BucketGroup& group : GroupBuckets(different, request_.bucket_micros, range, RowsInMemory(request_))) {
      ARROW_ASSIGN_OR_RAISE(auto buckets, CompareBucketRows(request_, plan_, sides_, group));
      compared.merge(buckets);
    }
    for (const auto& [bucket, rows] : different) {
      auto found = compared.find(bucket);
      if (found == compared.end()) {
        const bool doubled = plan_.unique_key() && rows.hot > rows.cold;
        Note(fmt::format("bucket {} {}", FormatTimestamp(bucket),
                         doubled ? "has rows of one key more than once in the source; cold has each once"
                                 : "differed at the first look and not at the second: the source is changing"));
        continue;
      }
      BucketResult& result = found->second;
      result.rows_hot = rows.hot;
      result.rows_cold = rows.cold;
      if (rows.hot == rows.cold) AddColumns(of(hot, bucket), of(cold, bucket), result);
      result_.differences.push_back(std::move(result));
    }
    return Status::OK();
  }

  Status TakeFingerprints(const Window& range, Fingerprints& hot, Fingerprints& cold) {
    auto builder = [&] { return FingerprintBuilder(plan_.column_ids, plan_.cursor_index, request_.bucket_micros); };
    FingerprintBuilder of_hot = builder();
    std::vector<FingerprintBuilder> of_cold;
    for (size_t i = 0; i < sides_.cold_lanes(); ++i) of_cold.push_back(builder());
    ARROW_RETURN_NOT_OK(sides_.Read(
        range, [&](size_t, const std::shared_ptr<arrow::RecordBatch>& batch) { return of_hot.Add(*batch); },
        [&](size_t lane, const std::shared_ptr<arrow::RecordBatch>& batch) { return of_cold[lane].Add(*batch); }));
    hot = of_hot.buckets();
    for (const FingerprintBuilder& lane : of_cold) fingerprint::Merge(lane.buckets(), cold);
    return Status::OK();
  }

  // As many rows on both sides: a column whose sum differs holds other values.
  void AddColumns(const Fingerprint& hot, const Fingerprint& cold, BucketResult& result) const {
    for (size_t c = 0; c < result_.columns.size() && c < hot.columns.size() && c < cold.columns.size(); ++c) {
      if (hot.columns[c] == cold.columns[c]) continue;
      const std::string& name = result_.columns[c];
      if (std::find(result.columns.begin(), result.columns.end(), name) == result.columns.end()) {
        result.columns.push_back(name);
      }
    }
  }

  Status LookForDuplicates() {
    int64_t rows = 0;
    const iceberg::Snapshot* tip = plan_.target.CurrentSnapshot();
    if (tip && !plan_.ranges.empty()) {
      // As many passes as all rows would need, whatever the range.
      ARROW_ASSIGN_OR_RAISE(auto files, table::ListDataFiles(context_.file_io, plan_.target, tip->snapshot_id));
      for (const auto& file : files) rows += file.record_count;
      const int64_t rows_max = RowsInMemory(request_);
      BucketGroup group{plan_.ranges.front(), {}, rows, 1};
      group.passes = static_cast<uint64_t>(std::max<int64_t>(1, (rows + rows_max - 1) / rows_max));
      ARROW_ASSIGN_OR_RAISE(auto buckets, CompareBucketRows(request_, plan_, sides_, group));
      for (auto& [bucket, result] : buckets) result_.differences.push_back(std::move(result));
    }
    result_.rows_cold = tip ? sides_.cold_rows_read() : 0;
    return Status::OK();
  }

  void Judge(BucketResult& bucket) const {
    const bool retired = plan_.retired_to && bucket.start <= *plan_.retired_to;
    bucket.extra_allowed = bucket.extra > 0 && (plan_.expires || retired || bucket.rows_hot == 0);
    bool hard = bucket.missing > 0 || bucket.changed > 0 || bucket.duplicates > 0;
    bool extra = bucket.extra > 0 && (request_.strict || !bucket.extra_allowed);
    bucket.different = hard || extra || (request_.strict && bucket.defaulted > 0);
  }

  const VerifyContext& context_;
  const VerifyRequest& request_;
  VerifyPlan plan_;
  VerifySides sides_;
  VerifyResult result_;
};

}  // namespace

bool VerifyResult::equal() const {
  return std::none_of(differences.begin(), differences.end(), [](const auto& bucket) { return bucket.different; });
}

Result<VerifyResult> VerifyTable(const VerifyContext& context, const VerifyRequest& request) {
  auto start = Steady::now();
  ARROW_ASSIGN_OR_RAISE(VerifyPlan plan, PlanVerify(context, request));
  ARROW_ASSIGN_OR_RAISE(VerifyResult result, Verify(context, request, std::move(plan)).Run());
  result.seconds = std::chrono::duration<double>(Steady::now() - start).count();
  return result;
}

}  // namespace calve::offload
