#include "calve/fingerprint/row_difference.h"

#include <algorithm>
#include <iterator>
#include <tuple>
#include <utility>

namespace calve::fingerprint {
namespace {

using Rows = std::vector<RowEntry>;
using Range = std::pair<Rows::const_iterator, Rows::const_iterator>;

auto GroupOf(const RowEntry& entry) { return std::tie(entry.bucket, entry.key); }
bool ByGroup(const RowEntry& a, const RowEntry& b) {
  return std::tie(a.bucket, a.key, a.row) < std::tie(b.bucket, b.key, b.row);
}

Range GroupFrom(Rows::const_iterator from, const Rows& rows) {
  auto end = from;
  while (end != rows.end() && GroupOf(*end) == GroupOf(*from)) ++end;
  return {from, end};
}

class Report {
 public:
  explicit Report(size_t findings_max) : findings_max_(findings_max) {}

  void Note(TimestampMicros bucket, Finding finding) {
    RowDifference& difference = buckets_[bucket];
    int64_t count = ++Count(difference, finding.kind);
    if (count <= static_cast<int64_t>(findings_max_)) difference.findings.push_back(finding);
  }
  static int64_t& Count(RowDifference& difference, FindingKind kind) {
    switch (kind) {
      case FindingKind::kMissing:
        return difference.missing;
      case FindingKind::kExtra:
        return difference.extra;
      case FindingKind::kChanged:
        return difference.changed;
      case FindingKind::kDuplicate:
        return difference.duplicates;
      case FindingKind::kDefaulted:
        break;
    }
    return difference.defaulted;
  }
  std::map<TimestampMicros, RowDifference> Take() { return std::move(buckets_); }

 private:
  const size_t findings_max_;
  std::map<TimestampMicros, RowDifference> buckets_;
};

bool InSorted(const Rows& sorted, const RowHash& row) {
  auto found = std::lower_bound(sorted.begin(), sorted.end(), row,
                                [](const RowEntry& entry, const RowHash& wanted) { return entry.row < wanted; });
  return found != sorted.end() && found->row == row;
}

// One key of one bucket; both ranges are sorted by row.
void CompareGroup(Range hot, Range cold, bool unique_key, Report& report) {
  auto by_row = [](const RowEntry& a, const RowEntry& b) { return a.row < b.row; };
  const bool alike = hot.first == hot.second || hot.first->row == std::prev(hot.second)->row;
  const int hot_rows = hot.first == hot.second ? 0 : alike ? 1 : 2;
  if (unique_key && hot_rows == 1) hot.second = std::next(hot.first);  // delivered again, and not merged
  Rows only_hot, only_cold;                                            // what the other side has not as often
  std::set_difference(hot.first, hot.second, cold.first, cold.second, std::back_inserter(only_hot), by_row);
  std::set_difference(cold.first, cold.second, hot.first, hot.second, std::back_inserter(only_cold), by_row);
  if (only_hot.empty() && only_cold.empty()) return;
  const Rows all_hot(hot.first, hot.second);
  Rows unlike;  // cold rows that hot has not at all
  for (const RowEntry& entry : only_cold) {
    bool again = InSorted(all_hot, entry.row) || (unique_key && !unlike.empty() && unlike.back().row == entry.row);
    if (again) {
      report.Note(entry.bucket, Finding{FindingKind::kDuplicate, entry.key, {}, entry.row, hot_rows});
    } else {
      unlike.push_back(entry);
    }
  }
  size_t pairs = std::min(only_hot.size(), unlike.size());
  for (size_t i = 0; i < pairs; ++i) {
    bool defaulted = only_hot[i].core != 0 && only_hot[i].core == unlike[i].core;
    report.Note(only_hot[i].bucket, Finding{defaulted ? FindingKind::kDefaulted : FindingKind::kChanged,
                                            only_hot[i].key, only_hot[i].row, unlike[i].row, hot_rows});
  }
  for (size_t i = pairs; i < only_hot.size(); ++i) {
    report.Note(only_hot[i].bucket, Finding{FindingKind::kMissing, only_hot[i].key, only_hot[i].row, {}, hot_rows});
  }
  for (size_t i = pairs; i < unlike.size(); ++i) {
    FindingKind kind = unique_key && !all_hot.empty() ? FindingKind::kDuplicate : FindingKind::kExtra;
    report.Note(unlike[i].bucket, Finding{kind, unlike[i].key, {}, unlike[i].row, hot_rows});
  }
}

}  // namespace

void RowDifference::Add(RowDifference&& other, size_t findings_max) {
  findings.insert(findings.end(), other.findings.begin(), other.findings.end());
  // A key is in one of the two: the first ones are the same, in however many passes they are found.
  std::stable_sort(findings.begin(), findings.end(), [](const Finding& a, const Finding& b) { return a.key < b.key; });
  std::map<FindingKind, size_t> known;
  std::erase_if(findings, [&](const Finding& finding) { return ++known[finding.kind] > findings_max; });
  missing += other.missing;
  extra += other.extra;
  changed += other.changed;
  duplicates += other.duplicates;
  defaulted += other.defaulted;
}

std::map<TimestampMicros, RowDifference> CompareRows(std::vector<RowEntry>& hot, std::vector<RowEntry>& cold,
                                                     bool unique_key, size_t findings_max) {
  std::sort(hot.begin(), hot.end(), ByGroup);
  std::sort(cold.begin(), cold.end(), ByGroup);
  Report report(findings_max);
  auto h = hot.cbegin();
  auto c = cold.cbegin();
  while (h != hot.cend() || c != cold.cend()) {
    Range in_hot{h, h}, in_cold{c, c};
    bool hot_first = c == cold.cend() || (h != hot.cend() && GroupOf(*h) < GroupOf(*c));
    bool cold_first = h == hot.cend() || (c != cold.cend() && GroupOf(*c) < GroupOf(*h));
    if (!cold_first) in_hot = GroupFrom(h, hot);
    if (!hot_first) in_cold = GroupFrom(c, cold);
    CompareGroup(in_hot, in_cold, unique_key, report);
    h = in_hot.second;
    c = in_cold.second;
  }
  return report.Take();
}

std::map<TimestampMicros, RowDifference> FindDuplicates(std::vector<RowEntry>& rows, size_t findings_max) {
  std::sort(rows.begin(), rows.end(), [](const RowEntry& a, const RowEntry& b) {
    return std::tie(a.key, a.bucket, a.row) < std::tie(b.key, b.bucket, b.row);
  });
  Report report(findings_max);
  for (size_t i = 1; i < rows.size(); ++i) {
    if (!(rows[i].key == rows[i - 1].key)) continue;
    report.Note(rows[i].bucket, Finding{FindingKind::kDuplicate, rows[i].key, rows[i - 1].row, rows[i].row, 0});
  }
  return report.Take();
}

}  // namespace calve::fingerprint
