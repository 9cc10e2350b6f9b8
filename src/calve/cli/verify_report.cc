#include "calve/cli/verify_report.h"

#include <algorithm>
#include <cstdio>

#include "calve/cli/json_output.h"
#include "calve/cli/terminal.h"

namespace calve::cli {
namespace {

using fingerprint::FindingKind;

const char* KindName(FindingKind kind) {
  switch (kind) {
    case FindingKind::kMissing:
      return "missing";
    case FindingKind::kExtra:
      return "extra";
    case FindingKind::kChanged:
      return "changed";
    case FindingKind::kDuplicate:
      return "duplicate";
    case FindingKind::kDefaulted:
      break;
  }
  return "defaulted";
}

Json ExampleJson(const offload::ExampleRow& example) {
  Json json = {{"kind", KindName(example.kind)}};
  json["row"] = Json::object();
  for (const auto& [column, value] : example.key) json["row"][column] = value;
  if (!example.differs.empty()) {
    json["differs"] = Json::object();
    for (const auto& values : example.differs) {
      json["differs"][values.column] = {{"hot", values.hot}, {"cold", values.cold}};
    }
  }
  return json;
}

Json BucketJson(const offload::BucketResult& b, bool has_bucket, bool cold_only) {
  Json json;
  json["bucket"] = has_bucket ? Json(FormatTimestamp(b.start)) : Json(nullptr);
  json["different"] = b.different;
  json["rows"] = cold_only ? Json(nullptr) : Json{{"hot", b.rows_hot}, {"cold", b.rows_cold}};
  json["missing"] = b.missing;
  json["extra"] = b.extra;
  json["extra_allowed"] = b.extra_allowed;
  json["changed"] = b.changed;
  json["duplicates"] = b.duplicates;
  json["defaulted"] = b.defaulted;
  json["columns"] = b.columns;
  json["examples"] = Json::array();
  for (const auto& example : b.examples) json["examples"].push_back(ExampleJson(example));
  return json;
}

struct Totals {
  int64_t missing = 0, extra = 0, extra_allowed = 0, changed = 0, duplicates = 0, defaulted = 0, different = 0;
};

Totals Sum(const offload::VerifyResult& r) {
  Totals t;
  for (const auto& b : r.differences) {
    t.missing += b.missing;
    (b.extra_allowed ? t.extra_allowed : t.extra) += b.extra;
    t.changed += b.changed;
    t.duplicates += b.duplicates;
    t.defaulted += b.defaulted;
    t.different += b.different ? 1 : 0;
  }
  return t;
}

std::string ExampleText(const offload::ExampleRow& example) {
  std::string text = fmt::format("      {:<9}", KindName(example.kind));
  for (const auto& [column, value] : example.key) text += fmt::format(" {}={}", column, value);
  for (const auto& v : example.differs) text += fmt::format("  {}: hot {}, cold {}", v.column, v.hot, v.cold);
  // Values are anybody's: none of them may steer the terminal or look like a line of ours.
  std::replace_if(
      text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; }, ' ');
  return text;
}

constexpr size_t kBucketsPrintedMax = 100;

void PrintBuckets(const offload::VerifyResult& r, bool has_bucket, bool cold_only) {
  auto rows = [&](int64_t count) { return cold_only ? std::string("-") : HumanCount(count); };
  std::printf("  %-20s  %12s  %12s  %9s  %9s  %9s  %9s  %s\n", "BUCKET", "HOT", "COLD", "MISSING", "EXTRA", "CHANGED",
              "DOUBLED", "COLUMNS");
  size_t printed = 0;
  for (const auto& b : r.differences) {
    if (++printed > kBucketsPrintedMax) {
      std::printf("  and %zu buckets more (--json has them all)\n", r.differences.size() - kBucketsPrintedMax);
      return;
    }
    std::string columns;
    for (const auto& name : b.columns) columns += (columns.empty() ? "" : ", ") + name;
    if (!b.different) columns += fmt::format("{}(allowed)", columns.empty() ? "" : " ");
    std::string start = has_bucket ? FormatTimestamp(b.start).substr(0, 19) + "Z" : "all";
    std::printf("  %-20s  %12s  %12s  %9s  %9s  %9s  %9s  %s\n", start.c_str(), rows(b.rows_hot).c_str(),
                rows(b.rows_cold).c_str(), HumanCount(b.missing).c_str(), HumanCount(b.extra).c_str(),
                HumanCount(b.changed + b.defaulted).c_str(), HumanCount(b.duplicates).c_str(), columns.c_str());
    for (const auto& example : b.examples) std::printf("%s\n", ExampleText(example).c_str());
  }
}

}  // namespace

Json VerifyJson(const offload::VerifyResult& r, const VerifyWords& words, int code) {
  const Totals t = Sum(r);
  const bool has_bucket = !words.bucket.empty();
  Json json;
  json["table"] = words.cold_only ? Json(nullptr) : Json(r.table);
  json["target"] = r.target;
  json["equal"] = r.equal();
  json["snapshot_id"] = r.snapshot_id ? Json(*r.snapshot_id) : Json(nullptr);
  json["watermark"] = TimeOrNull(r.watermark);
  json["range"] = {{"from", TimeOrNull(r.from)}, {"up_to", TimeOrNull(r.up_to)}};
  json["bucket"] = has_bucket ? Json(words.bucket) : Json(nullptr);
  json["buckets"] = {{"compared", r.buckets}, {"different", t.different}};
  json["rows"] = {{"hot", r.rows_hot}, {"cold", r.rows_cold}};
  json["missing"] = t.missing;
  json["extra"] = t.extra;
  json["extra_allowed"] = t.extra_allowed;
  json["changed"] = t.changed;
  json["duplicates"] = t.duplicates;
  json["defaulted"] = t.defaulted;
  json["rows_null_cursor"] = r.rows_null_cursor;
  json["key"] = r.key;
  json["columns"] = r.columns;
  json["columns_not_compared"] = r.columns_not_compared;
  json["differences"] = Json::array();
  for (const auto& b : r.differences) json["differences"].push_back(BucketJson(b, has_bucket, words.cold_only));
  json["notes"] = r.notes;
  json["duration_seconds"] = r.seconds;
  json["rows_per_second"] = r.seconds > 0 ? static_cast<double>(std::max(r.rows_hot, r.rows_cold)) / r.seconds : 0.0;
  json["exit_code"] = code;
  return json;
}

void PrintVerify(const offload::VerifyResult& r, const VerifyWords& words) {
  const Totals t = Sum(r);
  double rate = r.seconds > 0 ? static_cast<double>(std::max(r.rows_hot, r.rows_cold)) / r.seconds : 0;
  std::string up_to = r.up_to ? FormatTimestamp(*r.up_to) : "the end";
  std::string range = fmt::format("{} to {}", r.from ? FormatTimestamp(*r.from) : "the beginning", up_to);
  if (words.cold_only) {
    std::printf("%s: %s rows in %s (%s rows/s)\n  range      %s\n", r.target.c_str(), HumanCount(r.rows_cold).c_str(),
                HumanSeconds(r.seconds).c_str(), HumanRate(rate).c_str(), range.c_str());
  } else {
    std::printf("%s = %s? %s rows hot, %s cold, %s buckets in %s (%s rows/s)\n  range      %s\n", r.table.c_str(),
                r.target.c_str(), HumanCount(r.rows_hot).c_str(), HumanCount(r.rows_cold).c_str(),
                HumanCount(r.buckets).c_str(), HumanSeconds(r.seconds).c_str(), HumanRate(rate).c_str(), range.c_str());
  }
  if (!r.differences.empty()) PrintBuckets(r, !words.bucket.empty(), words.cold_only);
  std::string verdict = words.cold_only ? "no row is there twice" : "equal";
  if (t.different > 0) {
    verdict = fmt::format("DIFFERENT in {} bucket{}: {} missing, {} extra, {} changed, {} doubled", t.different,
                          t.different == 1 ? "" : "s", HumanCount(t.missing), HumanCount(t.extra),
                          HumanCount(t.changed), HumanCount(t.duplicates));
  }
  if (t.extra_allowed > 0) verdict += fmt::format("; {} rows that hot has let go", HumanCount(t.extra_allowed));
  if (t.defaulted > 0) verdict += fmt::format("; {} rows older than a column", HumanCount(t.defaulted));
  std::printf("  verdict    %s\n", verdict.c_str());
}

Json RepairJson(const offload::RepairResult& r) {
  const Totals t = Sum(r.before);
  return {
      {"rows_added", r.rows_added},
      {"rows_removed", r.rows_removed},
      {"files_added", r.files_added},
      {"files_removed", r.files_removed},
      {"snapshot_id", r.snapshot_id ? Json(*r.snapshot_id) : Json(nullptr)},
      {"before", {{"missing", t.missing}, {"extra", t.extra}, {"changed", t.changed}, {"duplicates", t.duplicates}}},
      {"notes", r.notes}};
}

void PrintRepair(const offload::RepairResult& r) {
  std::printf("  repaired   %s rows added, %s removed; %s files written, %s replaced\n",
              HumanCount(r.rows_added).c_str(), HumanCount(r.rows_removed).c_str(), HumanCount(r.files_added).c_str(),
              HumanCount(r.files_removed).c_str());
}

Event VerifiedEvent(const offload::VerifyResult& result, const std::string& name, const std::string& run_id) {
  const Totals totals = Sum(result);
  Event event(EventKind::kTableVerified,
              fmt::format("{}: {}, {} rows in cold", name, result.equal() ? "equal" : "different",
                          HumanCount(result.rows_cold)));
  if (!result.equal()) event.SetLevel(EventLevel::kWarning);
  event.Set(EventField::kRun, run_id).Set(EventField::kTable, name).Set(EventField::kTarget, result.target);
  event.SetTime(EventField::kWatermark, result.watermark).Set(EventField::kSnapshotId, result.snapshot_id);
  event.Set(EventField::kRows, result.rows_cold).Set(EventField::kMissing, totals.missing);
  event.Set(EventField::kDuplicates, totals.duplicates).Set(EventField::kChanged, totals.changed);
  return event.Set(EventField::kExtra, totals.extra).Set(EventField::kDurationSeconds, result.seconds);
}

}  // namespace calve::cli
