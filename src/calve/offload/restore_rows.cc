#include "calve/offload/restore_rows.h"

#include <algorithm>
#include <tuple>

namespace calve::offload {
namespace {

using fingerprint::RowEntry;
using fingerprint::RowHash;
using Entries = std::vector<RowEntry>;

auto KeyOf(const RowEntry& entry) { return std::tie(entry.bucket, entry.key); }

void SortEntries(Entries& entries) {
  std::sort(entries.begin(), entries.end(), [](const RowEntry& a, const RowEntry& b) {
    return std::tie(a.bucket, a.key, a.row) < std::tie(b.bucket, b.key, b.row);
  });
}

// Rows of one key.
struct Run {
  Entries::const_iterator begin, end;
  int64_t size() const { return end - begin; }
};

Run RunAt(Entries::const_iterator begin, Entries::const_iterator end) {
  auto last = begin;
  while (last != end && KeyOf(*last) == KeyOf(*begin)) ++last;
  return {begin, last};
}

// Of sorted rows of one key: how many of `hot` are not in `cold`, and cold's surplus of each row.
int64_t Subtract(const Run& cold, const Run& hot, std::vector<std::pair<RowHash, int64_t>>& surplus) {
  int64_t only_hot = 0;
  auto h = hot.begin;
  for (auto c = cold.begin; c != cold.end;) {
    const RowHash row = c->row;
    int64_t count = 0;
    for (; c != cold.end && c->row == row; ++c) ++count;
    for (; h != hot.end && h->row < row; ++h) ++only_hot;
    for (; h != hot.end && h->row == row; ++h) --count;
    if (count > 0) surplus.emplace_back(row, count);
    if (count < 0) only_hot -= count;
  }
  return only_hot + (hot.end - h);
}

}  // namespace

void WantedRows::Sort() {
  std::sort(rows_.begin(), rows_.end(), [](const Row& a, const Row& b) { return a.row < b.row; });
}

bool WantedRows::Take(const RowHash& row) {
  auto found =
      std::lower_bound(rows_.begin(), rows_.end(), row, [](const Row& a, const RowHash& b) { return a.row < b; });
  if (found == rows_.end() || found->row != row || found->count == 0) return false;
  --found->count;
  return true;
}

MissingRows FindMissingRows(Entries& hot, Entries& cold, RowMatching identity) {
  SortEntries(hot);
  SortEntries(cold);
  MissingRows found;
  std::vector<std::pair<RowHash, int64_t>> surplus;
  Entries::const_iterator h = hot.begin(), c = cold.begin();
  while (c != cold.end()) {
    const Run in_cold = RunAt(c, cold.end());
    for (; h != hot.end() && KeyOf(*h) < KeyOf(*c); ++h) ++found.only_hot;
    Run in_hot{h, h};
    if (h != hot.end() && KeyOf(*h) == KeyOf(*c)) in_hot = RunAt(h, hot.end());
    surplus.clear();
    const int64_t only_hot = Subtract(in_cold, in_hot, surplus);
    const bool there = in_hot.size() > 0;
    const bool leave = there && (identity == RowMatching::kMerged || (identity == RowMatching::kKey && only_hot > 0));
    for (const auto& [row, count] : surplus) {
      (leave ? found.changed : found.missing) += count;
      if (!leave) found.wanted.Add(row, count);
    }
    if (!leave) found.only_hot += only_hot;
    c = in_cold.end;
    h = in_hot.end;
  }
  found.only_hot += hot.end() - h;
  found.wanted.Sort();
  return found;
}

}  // namespace calve::offload
