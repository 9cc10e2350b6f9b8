#include "calve/offload/late.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <tuple>

#include "calve/base/random.h"
#include "calve/fingerprint/bucket_fingerprints.h"
#include "calve/offload/bucket_row_hasher.h"
#include "calve/offload/hot_rows.h"
#include "calve/offload/late_writer.h"
#include "calve/offload/source_select.h"
#include "calve/offload/verify_rows.h"

namespace calve::offload {
namespace {

using fingerprint::Finding;
using fingerprint::FindingKind;
using fingerprint::Fingerprint;
using fingerprint::Fingerprints;
using fingerprint::RowEntry;

constexpr int64_t kBucketMicros = 3'600 * kMicrosPerSecond;

std::string JournalKey(const OffloadContext& context, const OffloadRequest& request) {
  return fmt::format("{} in {}", request.target.ToString(), context.catalog.name());
}
// Block numbers begin anew with a table that is made anew.
std::string SourceKey(const source::SourceTable& table) {
  return fmt::format("{}.{} {}", table.database, table.name, table.uuid);
}

class Late {
 public:
  Late(const OffloadContext& context, const OffloadRequest& request, const LateLook& look)
      : context_(context),
        request_(request),
        look_(look),
        verify_{VerifyContext{&context.source, context.catalog, context.file_io, context.clock, context.stop,
                              context.progress}},
        basis_(look.seen.basis) {}

  Result<LateRows> Run() {
    PartCoverage seen = look_.seen.coverage;
    const bool any_new =
        std::any_of(look_.parts.begin(), look_.parts.end(), [&](const auto& p) { return seen.IsNew(p); });
    if (!any_new) return std::move(result_);
    if (look_.up_to && !Horizon().empty()) {
      ARROW_ASSIGN_OR_RAISE(const std::set<TimestampMicros> buckets, AskBuckets(seen));
      if (!buckets.empty()) ARROW_RETURN_NOT_OK(Compare(buckets));
    }
    for (const PartBlocks& part : look_.parts) seen.Add(part);
    if (settled_) Remember(seen);
    return std::move(result_);
  }

 private:
  // Forgetting costs one comparison of the whole horizon, nothing else.
  void Remember(const PartCoverage& coverage) {
    if (!context_.journal) return;
    const std::string text = nlohmann::ordered_json{{"basis", basis_}, {"coverage", coverage.ToJson()}}.dump();
    Status written = context_.journal->WritePartsSeen(JournalKey(context_, request_), SourceKey(look_.table), text,
                                                      context_.clock.Now());
    if (!written.ok()) result_.notes.push_back("the journal could not be written: " + MessageOf(written));
  }

  // What others loaded before calve is theirs to answer for: it may hold a row in another form, and is left alone, with
  // the hour that it ends in.
  Window Horizon() const {
    TimestampMicros from = *look_.up_to - request_.lookback_micros;
    if (look_.loaded_from) {
      const int64_t rest = *look_.loaded_from % kBucketMicros;
      const TimestampMicros hour = *look_.loaded_from - (rest < 0 ? rest + kBucketMicros : rest);
      from = std::max(from, hour + kBucketMicros - 1);
    }
    return Window{from, *look_.up_to};
  }

  Result<std::set<TimestampMicros>> AskBuckets(const PartCoverage& seen) {
    ARROW_ASSIGN_OR_RAISE(auto rows,
                          source::QueryRows(context_.source, LateBucketsQuery(look_, seen, Horizon(), kBucketMicros),
                                            source::QueryOptions{"", request_.settings}));
    std::set<TimestampMicros> buckets;
    for (const auto& row : rows) buckets.insert(std::stoll(row.at(0)) * kMicrosPerSecond);
    return buckets;
  }

  Status Compare(const std::set<TimestampMicros>& candidates) {
    VerifyRequest& verify = verify_request_;
    verify.source_table = request_.source_table;
    verify.target = request_.target;
    verify.timestamp_column = request_.timestamp_column;
    verify.columns = request_.columns;
    verify.bucket_micros = kBucketMicros;
    verify.key = request_.key;
    verify.memory_bytes = request_.memory_bytes;
    verify.settings = request_.settings;
    ARROW_ASSIGN_OR_RAISE(VerifyPlan plan, PlanVerify(verify_, verify));
    if (!plan.snapshot_id || !plan.watermark) return Status::OK();
    VerifySides sides(verify_, verify, plan);
    LateWriter writer(context_, request_, look_, plan);
    Status compared = CompareBuckets(candidates, plan, sides, writer);
    ARROW_ASSIGN_OR_RAISE(auto watermark, ReadWatermark(plan.target));
    if (watermark) basis_ = watermark->stamp.commit_id;
    if (compared.ok()) compared = Commit(writer);
    return compared;  // the writer deletes what it wrote and nobody committed
  }

  Status CompareBuckets(const std::set<TimestampMicros>& candidates, const VerifyPlan& plan, VerifySides& sides,
                        LateWriter& writer) {
    std::map<TimestampMicros, BucketRows> all, different;
    for (TimestampMicros bucket : candidates) all[bucket] = BucketRows{};
    // One look at a run of buckets; rows are not known yet, so that runs are as long as they are.
    const Window within{Horizon().from, *look_.up_to};
    for (const BucketGroup& run : GroupBuckets(all, kBucketMicros, Unbounded(within), INT64_MAX / 2)) {
      Fingerprints hot, cold;
      ARROW_RETURN_NOT_OK(TakeFingerprints(run.window, plan, sides, hot, cold));
      for (TimestampMicros bucket : run.buckets) {
        ++result_.buckets;
        const Fingerprint &in_hot = hot[bucket], &in_cold = cold[bucket];
        if (!(in_hot == in_cold)) different[bucket] = BucketRows{in_hot.rows, in_cold.rows};
      }
    }
    for (const BucketGroup& group :
         GroupBuckets(different, kBucketMicros, Unbounded(within), RowsInMemory(verify_request_))) {
      ARROW_RETURN_NOT_OK(CompareRowsOf(group, plan, sides, writer));
    }
    return Status::OK();
  }

  // Whole buckets, also where the horizon begins in the middle of one; up to the watermark.
  static Window Unbounded(const Window& within) { return Window{std::nullopt, within.to}; }

  Status TakeFingerprints(const Window& range, const VerifyPlan& plan, VerifySides& sides, Fingerprints& hot,
                          Fingerprints& cold) {
    using fingerprint::FingerprintBuilder;
    std::vector<FingerprintBuilder> builders(sides.cold_lanes() + 1,
                                             FingerprintBuilder(plan.column_ids, plan.cursor_index, kBucketMicros));
    ARROW_RETURN_NOT_OK(sides.Read(
        range, [&](size_t, const auto& batch) { return builders.back().Add(*batch); },
        [&](size_t lane, const auto& batch) { return builders[lane].Add(*batch); }));
    hot = builders.back().buckets();
    for (size_t i = 0; i + 1 < builders.size(); ++i) fingerprint::Merge(builders[i].buckets(), cold);
    return Status::OK();
  }

  Status CompareRowsOf(const BucketGroup& group, const VerifyPlan& plan, VerifySides& sides, LateWriter& writer) {
    for (uint64_t pass = 0; pass < group.passes; ++pass) {
      std::vector<std::vector<RowEntry>> entries(sides.cold_lanes() + 1);
      std::vector<BucketRowHasher> hashers(entries.size(), BucketRowHasher(plan, kBucketMicros));
      const auto collect = [&](size_t lane, const arrow::RecordBatch& batch, bool hot) {
        return hashers[lane].ForEach(batch, &group.buckets, hot, [&](const RowEntry& entry, int64_t, size_t) {
          if (fingerprint::InPass(entry.key, pass, group.passes)) entries[lane].push_back(entry);
          return Status::OK();
        });
      };
      const size_t hot_lane = sides.cold_lanes();
      ARROW_RETURN_NOT_OK(sides.Read(
          group.window, [&](size_t, const auto& batch) { return collect(hot_lane, *batch, true); },
          [&](size_t lane, const auto& batch) { return collect(lane, *batch, false); }));
      std::vector<RowEntry> cold;
      for (size_t i = 0; i < hot_lane; ++i) {
        cold.insert(cold.end(), entries[i].begin(), entries[i].end());
        entries[i] = {};
      }
      auto found = fingerprint::CompareRows(entries[hot_lane], cold, plan.unique_key(), INT64_MAX);
      ARROW_RETURN_NOT_OK(writer.Write(group, MissingRows(found, cold, plan.unique_key())));
    }
    return Status::OK();
  }

  MissingRowCounts MissingRows(const std::map<TimestampMicros, fingerprint::RowDifference>& found,
                               const std::vector<RowEntry>& cold, bool unique_key) {
    MissingRowCounts missing;
    for (const auto& [bucket, difference] : found) {
      const bool ambiguous = !unique_key && difference.missing > 0 && difference.extra + difference.changed > 0;
      if (ambiguous) {
        settled_ = false;
        result_.notes.push_back(
            fmt::format("bucket {}: {} rows are only in {}.{} and {} only in {}: late rows cannot be told from changed "
                        "ones without a "
                        "key; name one with --key, or compare with calve verify",
                        FormatTimestamp(bucket), difference.missing, look_.table.database, look_.table.name,
                        difference.extra + difference.changed, request_.target.ToString()));
        continue;
      }
      std::set<fingerprint::RowHash> keys;
      for (const Finding& finding : difference.findings) {
        if (finding.kind != FindingKind::kMissing) continue;
        if (unique_key) {
          // Delivered again with other values: the key is there. Of a row that hot holds twice, cold gets one.
          if (HasKey(cold, bucket, finding.key) || !keys.insert(finding.key).second) continue;
        }
        ++missing[finding.hot];
      }
    }
    return missing;
  }

  // `cold` is sorted by bucket and key, as CompareRows leaves it.
  static bool HasKey(const std::vector<RowEntry>& cold, TimestampMicros bucket, const fingerprint::RowHash& key) {
    auto found = std::partition_point(cold.begin(), cold.end(), [&](const RowEntry& entry) {
      return std::tie(entry.bucket, entry.key) < std::tie(bucket, key);
    });
    return found != cold.end() && found->bucket == bucket && found->key == key;
  }

  Status Commit(LateWriter& writer) {
    ARROW_ASSIGN_OR_RAISE(auto committed, writer.Commit());
    if (!committed) return Status::OK();
    if (!committed->snapshot_id) {
      settled_ = false;
      result_.notes.push_back("another calve committed while late rows were looked for; the next run looks again");
      return Status::OK();
    }
    basis_ = writer.commit_id();
    result_.rows = committed->rows;
    result_.files = committed->files;
    result_.bytes = committed->bytes;
    result_.snapshot_id = committed->snapshot_id;
    result_.notes.push_back(fmt::format("{} rows that were inserted behind the watermark were appended", result_.rows));
    return Status::OK();
  }

  const OffloadContext& context_;
  const OffloadRequest& request_;
  const LateLook& look_;
  const VerifyContext verify_;
  VerifyRequest verify_request_;
  std::string basis_;
  LateRows result_;
  bool settled_ = true;  // nothing is left that has to be looked at again
};

}  // namespace

SeenParts ReadSeenParts(const OffloadContext& context, const OffloadRequest& request, const source::SourceTable& table,
                        const iceberg::TableMetadata* target) {
  SeenParts none{PartCoverage(PartCoverage::NumbersByPartition(table.engine)), ""};
  if (!context.journal || !target) return none;
  auto text = context.journal->ReadPartsSeen(JournalKey(context, request), SourceKey(table));
  if (!text.ok() || !*text) return none;
  const auto root = nlohmann::ordered_json::parse(**text, nullptr, /*allow_exceptions=*/false);
  if (!root.is_object() || !root.contains("basis") || !root["basis"].is_string() || !root.contains("coverage") ||
      !root["coverage"].is_string()) {
    return none;
  }
  SeenParts seen{none.coverage, root["basis"].get<std::string>()};
  if (!seen.basis.empty()) {
    auto trace = FindCommit(*target, seen.basis);
    if (!trace || !trace->on_main) return none;
  }
  auto coverage = PartCoverage::FromJson(root["coverage"].get<std::string>());
  if (!coverage.ok()) return none;
  seen.coverage = std::move(*coverage);
  return seen;
}

std::string LateBucketsQuery(const LateLook& look, const PartCoverage& seen, const Window& horizon,
                             int64_t bucket_micros) {
  const int64_t seconds = bucket_micros / kMicrosPerSecond;
  const std::string column = CursorName(look.cursor);
  // Floored, also before 1970.
  const std::string epoch =
      look.cursor.is_date_time64
          ? fmt::format("toUnixTimestamp64Micro(CAST({} AS DateTime64(6, 'UTC'))) / 1000000", column)
          : fmt::format("toUnixTimestamp({})", column);
  return fmt::format(
      "SELECT toString(toInt64(floor({0} / {1})) * {1}) AS bucket FROM {2} WHERE {3} AND {4} GROUP BY bucket", epoch,
      seconds, FromClause(look.table), WindowPredicate(horizon, look.cursor), seen.NewRowsPredicate());
}

Result<LateRows> OffloadLateRows(const OffloadContext& context, const OffloadRequest& request, const LateLook& look) {
  return Late(context, request, look).Run();
}

}  // namespace calve::offload
