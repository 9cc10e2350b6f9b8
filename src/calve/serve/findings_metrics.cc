#include "calve/serve/findings_metrics.h"

namespace calve::serve {
namespace {

using prometheus::MetricType;

constexpr const char* kDuplicates = "offload_duplicates";
constexpr const char* kMissing = "offload_missing_rows";
constexpr const char* kChanged = "offload_changed_rows";
constexpr const char* kExtra = "offload_extra_rows";
constexpr const char* kVerified = "offload_verify_timestamp_seconds";
constexpr const char* kBlocked = "offload_retirement_blocked";
constexpr const char* kKept = "offload_retirement_parts_kept";
constexpr const char* kRetireTime = "offload_retirement_timestamp_seconds";
constexpr const char* kPartsDropped = "offload_retired_parts_total";
constexpr const char* kRowsDropped = "offload_retired_rows_total";
constexpr const char* kBytesDropped = "offload_retired_bytes_total";

}  // namespace

std::vector<MetricDescription> VerifyDescriptions() {
  return {
      {kDuplicates, MetricType::Gauge, "Rows that the cold table holds more than once, by the last calve verify."},
      {kMissing, MetricType::Gauge, "Rows of ClickHouse's that the cold table lacks, by the last calve verify."},
      {kChanged, MetricType::Gauge, "Rows whose values differ, by the last calve verify."},
      {kExtra, MetricType::Gauge,
       "Rows that only the cold table has and ClickHouse had no reason to let go, by the last calve verify."},
      {kVerified, MetricType::Gauge, "When calve verify last compared the table."},
  };
}

std::vector<MetricDescription> RetireDescriptions() {
  return {
      {kBlocked, MetricType::Gauge,
       "1: the last calve retire failed, or kept parts because the cold table does not hold all of their rows."},
      {kKept, MetricType::Gauge, "Parts that were old enough and were kept by the last calve retire, for any reason."},
      {kRetireTime, MetricType::Gauge, "When calve retire last looked at the table."},
      {kPartsDropped, MetricType::Counter, "Parts that calve retire dropped from ClickHouse."},
      {kRowsDropped, MetricType::Counter, "Rows of these parts."},
      {kBytesDropped, MetricType::Counter, "Bytes of these parts on ClickHouse's disk."},
  };
}

void AddVerified(MetricSet& set, const std::string& table, const offload::VerifyResult& result, TimestampMicros now) {
  int64_t duplicates = 0, missing = 0, changed = 0, extra = 0;
  for (const offload::BucketResult& bucket : result.differences) {
    duplicates += bucket.duplicates;
    missing += bucket.missing;
    changed += bucket.changed;
    if (!bucket.extra_allowed) extra += bucket.extra;
  }
  const Labels labels = {{"table", table}};
  set.Set(kDuplicates, labels, static_cast<double>(duplicates));
  set.Set(kMissing, labels, static_cast<double>(missing));
  set.Set(kChanged, labels, static_cast<double>(changed));
  set.Set(kExtra, labels, static_cast<double>(extra));
  set.Set(kVerified, labels, static_cast<double>(now) / 1e6);
}

void AddRetired(MetricSet& set, const std::string& table, const Result<offload::RetireResult>& result,
                TimestampMicros now) {
  if (result.ok() && result->held_by) return;
  const Labels labels = {{"table", table}};
  const bool blocked = !result.ok() || !result->ended_early.ok() || result->different();
  set.Set(kBlocked, labels, blocked ? 1 : 0);
  set.Set(kRetireTime, labels, static_cast<double>(now) / 1e6);
  if (result.ok()) set.Set(kKept, labels, static_cast<double>(result->kept.size()));
  set.Add(kPartsDropped, labels, result.ok() ? static_cast<double>(result->dropped.size()) : 0);
  set.Add(kRowsDropped, labels, result.ok() ? static_cast<double>(result->rows()) : 0);
  set.Add(kBytesDropped, labels, result.ok() ? static_cast<double>(result->bytes()) : 0);
}

}  // namespace calve::serve
