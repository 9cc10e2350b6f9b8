#include "calve/offload/verify_rows.h"

#include <algorithm>
#include <array>

#include "calve/offload/bucket_row_hasher.h"

namespace calve::offload {
namespace {

using fingerprint::Finding;
using fingerprint::FindingKind;
using fingerprint::RowDifference;
using fingerprint::RowEntry;
using fingerprint::RowHash;

constexpr int64_t kRowsOfAPassMin = 1024;
constexpr size_t kFindingsMax = 200'000;         // of a group: what is remembered to be looked at
constexpr size_t kFindingsOfABucketMax = 1'000;  // of each kind
static_assert(kComparedTogetherMax * kFindingsOfABucketMax <= kFindingsMax);
constexpr size_t kTextMax = 300;  // of a value in an example

struct Lane {
  BucketRowHasher hasher;
  std::vector<RowEntry> entries;
};

// A row that a finding names.
struct SeenRow {
  std::vector<uint64_t> hashes;    // by column
  std::vector<std::string> texts;  // by column; empty where it is no example
};
using SeenRows = std::map<RowHash, SeenRow>;

std::string TextOf(const arrow::Array& array, int64_t row) {
  if (array.IsNull(row)) return "NULL";
  if (array.type_id() == arrow::Type::DICTIONARY) {
    const auto& encoded = static_cast<const arrow::DictionaryArray&>(array);
    return TextOf(*encoded.dictionary(), encoded.GetValueIndex(row));
  }
  auto scalar = array.GetScalar(row);
  if (!scalar.ok()) return "?";
  std::string text = (*scalar)->ToString();
  // Arrow breaks nested values into lines.
  if (arrow::is_nested(array.type_id())) std::replace(text.begin(), text.end(), '\n', ' ');
  if (text.size() > kTextMax) text = text.substr(0, kTextMax) + "…";
  return text;
}

class Comparison {
 public:
  Comparison(const VerifyRequest& request, const VerifyPlan& plan, VerifySides& sides, const BucketGroup& group)
      : request_(request), plan_(plan), sides_(sides), group_(group) {
    size_t share = kFindingsMax / std::max<size_t>(1, group.buckets.size());
    findings_max_ =
        std::max(static_cast<size_t>(request.example_rows), std::clamp<size_t>(share, 1, kFindingsOfABucketMax));
  }

  Result<std::map<TimestampMicros, BucketResult>> Run() {
    for (uint64_t pass = 0; pass < group_.passes; ++pass) ARROW_RETURN_NOT_OK(Pass(pass));
    ARROW_RETURN_NOT_OK(LookAtRows());
    std::map<TimestampMicros, BucketResult> results;
    for (const auto& [bucket, difference] : differences_) results[bucket] = Tell(bucket, difference);
    return results;
  }

 private:
  const std::set<TimestampMicros>* Buckets() const { return request_.cold_only ? nullptr : &group_.buckets; }

  std::vector<Lane> Lanes(size_t count) const {
    std::vector<Lane> lanes;
    for (size_t i = 0; i < count; ++i) lanes.push_back(Lane{BucketRowHasher(plan_, request_.bucket_micros), {}});
    return lanes;
  }

  Status Pass(uint64_t pass) {
    std::vector<Lane> hot = Lanes(1), cold = Lanes(sides_.cold_lanes());
    auto collect = [&](std::vector<Lane>& lanes, bool is_hot) -> RowConsumer {
      return [&lanes, is_hot, pass, this](size_t lane, const std::shared_ptr<arrow::RecordBatch>& batch) {
        Lane& mine = lanes[lane];
        return mine.hasher.ForEach(*batch, Buckets(), is_hot, [&](const RowEntry& entry, int64_t, size_t) {
          if (fingerprint::InPass(entry.key, pass, group_.passes)) mine.entries.push_back(entry);
          return Status::OK();
        });
      };
    };
    ARROW_RETURN_NOT_OK(sides_.Read(group_.window, collect(hot, true), collect(cold, false)));
    for (size_t i = 1; i < cold.size(); ++i) {
      cold[0].entries.insert(cold[0].entries.end(), cold[i].entries.begin(), cold[i].entries.end());
      cold[i].entries = {};
    }
    auto found = request_.cold_only
                     ? fingerprint::FindDuplicates(cold[0].entries, findings_max_)
                     : fingerprint::CompareRows(hot[0].entries, cold[0].entries, plan_.unique_key(), findings_max_);
    for (auto& [bucket, difference] : found) differences_[bucket].Add(std::move(difference), findings_max_);
    return Status::OK();
  }

  // Reads once more to see the values of the rows that were found.
  Status LookAtRows() {
    bool needed = false;
    for (const auto& [bucket, difference] : differences_) {
      std::array<int64_t, 5> shown{};
      for (const Finding& finding : difference.findings) {
        bool example = shown[static_cast<size_t>(finding.kind)]++ < request_.example_rows;
        bool changed = finding.kind == FindingKind::kChanged || finding.kind == FindingKind::kDefaulted;
        if (!example && !changed) continue;
        needed = true;
        bool in_hot = changed || finding.kind == FindingKind::kMissing;
        if (in_hot) wanted_hot_[finding.hot] |= example;
        if (finding.kind != FindingKind::kMissing) wanted_cold_[finding.cold] |= example;
      }
    }
    if (!needed) return Status::OK();
    std::vector<Lane> hot = Lanes(1), cold = Lanes(sides_.cold_lanes());
    std::vector<SeenRows> seen_cold(cold.size());
    RowConsumer from_hot = [&](size_t, const std::shared_ptr<arrow::RecordBatch>& batch) {
      return Look(*batch, hot[0].hasher, true, wanted_hot_, seen_hot_);
    };
    RowConsumer from_cold = [&](size_t lane, const std::shared_ptr<arrow::RecordBatch>& batch) {
      return Look(*batch, cold[lane].hasher, false, wanted_cold_, seen_cold[lane]);
    };
    ARROW_RETURN_NOT_OK(sides_.Read(group_.window, from_hot, from_cold));
    for (SeenRows& seen : seen_cold) seen_cold_.merge(seen);
    return Status::OK();
  }

  Status Look(const arrow::RecordBatch& batch, BucketRowHasher& hasher, bool hot, const std::map<RowHash, bool>& wanted,
              SeenRows& seen) const {
    return hasher.ForEach(batch, Buckets(), hot, [&](const RowEntry& entry, int64_t row, size_t at) {
      auto found = wanted.find(entry.row);
      if (found == wanted.end() || seen.contains(entry.row)) return Status::OK();
      SeenRow& kept = seen[entry.row];
      for (int c = 0; c < batch.num_columns(); ++c) {
        kept.hashes.push_back(hasher.hasher().values(static_cast<size_t>(c))[at]);
        if (found->second) kept.texts.push_back(TextOf(*batch.column(c), row));
      }
      return Status::OK();
    });
  }

  BucketResult Tell(TimestampMicros bucket, const RowDifference& difference) const {
    BucketResult result;
    result.start = bucket;
    result.missing = difference.missing;
    result.extra = difference.extra;
    result.changed = difference.changed;
    result.duplicates = difference.duplicates;
    result.defaulted = difference.defaulted;
    std::set<int> columns;
    std::array<int64_t, 5> shown{};
    for (const Finding& finding : difference.findings) {
      const SeenRow* hot = Find(seen_hot_, finding.hot);
      const SeenRow* cold = Find(seen_cold_, finding.cold);
      std::vector<int> differs;
      if (hot && cold) differs = DifferingColumns(*hot, *cold);
      columns.insert(differs.begin(), differs.end());
      if (shown[static_cast<size_t>(finding.kind)]++ >= request_.example_rows) continue;
      const SeenRow* either = cold ? cold : hot;
      if (either && !either->texts.empty()) result.examples.push_back(Example(finding.kind, hot, cold, differs));
    }
    for (int column : columns) result.columns.push_back(NameOf(column));
    return result;
  }

  static const SeenRow* Find(const SeenRows& rows, const RowHash& row) {
    auto found = rows.find(row);
    return found == rows.end() ? nullptr : &found->second;
  }
  static std::vector<int> DifferingColumns(const SeenRow& hot, const SeenRow& cold) {
    std::vector<int> columns;
    for (size_t c = 0; c < hot.hashes.size() && c < cold.hashes.size(); ++c) {
      if (hot.hashes[c] != cold.hashes[c]) columns.push_back(static_cast<int>(c));
    }
    return columns;
  }
  const std::string& NameOf(int column) const { return plan_.schema.fields[static_cast<size_t>(column)].name; }

  ExampleRow Example(FindingKind kind, const SeenRow* hot, const SeenRow* cold, const std::vector<int>& differs) const {
    ExampleRow example;
    example.kind = kind;
    const SeenRow& row = cold ? *cold : *hot;
    for (size_t c = 0; c < row.texts.size(); ++c) {
      bool named =
          plan_.key.empty() || std::find(plan_.key.begin(), plan_.key.end(), static_cast<int>(c)) != plan_.key.end();
      bool changed = std::find(differs.begin(), differs.end(), static_cast<int>(c)) != differs.end();
      if (named && !changed) example.key.emplace_back(NameOf(static_cast<int>(c)), row.texts[c]);
    }
    for (int c : differs) {
      auto at = static_cast<size_t>(c);
      if (at < hot->texts.size() && at < cold->texts.size()) {
        example.differs.push_back({NameOf(c), hot->texts[at], cold->texts[at]});
      }
    }
    return example;
  }

  const VerifyRequest& request_;
  const VerifyPlan& plan_;
  VerifySides& sides_;
  const BucketGroup& group_;
  size_t findings_max_;
  std::map<TimestampMicros, RowDifference> differences_;
  std::map<RowHash, bool> wanted_hot_, wanted_cold_;  // and whether as an example
  SeenRows seen_hot_, seen_cold_;
};

}  // namespace

int64_t RowsInMemory(const VerifyRequest& request) {
  // Vectors double as they grow, and a lane's are joined into one.
  return std::max(kRowsOfAPassMin, request.memory_bytes / (4 * static_cast<int64_t>(sizeof(RowEntry))));
}

std::vector<BucketGroup> GroupBuckets(const std::map<TimestampMicros, BucketRows>& different, int64_t bucket_micros,
                                      const Window& within, int64_t rows_max, size_t buckets_max) {
  std::vector<BucketGroup> groups;
  for (const auto& [bucket, rows] : different) {
    const int64_t count = rows.hot + rows.cold;
    Window window{bucket - 1, std::min(bucket + bucket_micros - 1, within.to)};
    if (within.from) window.from = std::max(*window.from, *within.from);
    bool joins = !groups.empty() && groups.back().window.to == *window.from && groups.back().rows + count <= rows_max &&
                 groups.back().buckets.size() < buckets_max;
    if (!joins) groups.push_back(BucketGroup{window, {}, 0, 1});
    BucketGroup& group = groups.back();
    group.window.to = window.to;
    group.buckets.insert(bucket);
    group.rows += count;
    group.passes = static_cast<uint64_t>((group.rows + rows_max - 1) / rows_max);
    group.passes = std::max<uint64_t>(1, group.passes);
  }
  return groups;
}

Result<std::map<TimestampMicros, BucketResult>> CompareBucketRows(const VerifyRequest& request, const VerifyPlan& plan,
                                                                  VerifySides& sides, const BucketGroup& group) {
  return Comparison(request, plan, sides, group).Run();
}

}  // namespace calve::offload
