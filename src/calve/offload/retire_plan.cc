#include "calve/offload/retire_plan.h"

#include <algorithm>

namespace calve::offload {

RetireChoice ChooseParts(const std::vector<HotPart>& parts, TimestampMicros limit) {
  RetireChoice choice;
  for (const HotPart& part : parts) {
    const bool has_cursor = part.rows_seen > part.rows_null_cursor;
    // Both comparisons: ClickHouse's knows fractions of a microsecond, and ours years that its constants cannot hold.
    const bool old = part.old && part.last <= limit;
    if (has_cursor && !old && part.first > limit) {
      ++choice.newer;
    } else if (part.rows_seen == 0) {
      choice.kept.push_back({part, "none of its rows can be read (they are deleted, or a row policy hides them)"});
    } else if (part.rows_null_cursor > 0) {
      choice.kept.push_back({part, fmt::format("{} of its rows have no cursor (NULL)", part.rows_null_cursor)});
    } else if (!old) {
      choice.kept.push_back({part, "it also holds rows after the limit"});
    } else if (part.rows_allowed < part.rows) {
      choice.kept.push_back(
          {part, fmt::format("{} of its rows are hidden from this user", part.rows - part.rows_allowed)});
    } else {
      choice.chosen.push_back(part);
    }
  }
  return choice;
}

void KeepParts(RetireChoice& choice, const std::set<std::string>& names, bool listed, const std::string& reason,
               bool differs) {
  std::vector<HotPart> chosen;
  for (HotPart& part : choice.chosen) {
    if (names.contains(part.name) == listed) {
      choice.kept.push_back({std::move(part), reason, differs});
    } else {
      chosen.push_back(std::move(part));
    }
  }
  choice.chosen = std::move(chosen);
}

RetireRange RangeOf(const std::vector<HotPart>& chosen, TimestampMicros limit) {
  RetireRange range{INT64_MAX, INT64_MIN};
  for (const HotPart& part : chosen) {
    range.from = std::min(range.from, part.first);
    range.to = std::max(range.to, part.last);
  }
  // A column finer than microseconds: its last value was cut, and lies up to one behind.
  range.to = std::min(range.to + 1, std::max(range.to, limit)) + 1;
  return range;
}

bool Blocks(const BucketResult& bucket, bool strict) {
  return bucket.missing > 0 || bucket.changed > 0 || (strict && bucket.defaulted > 0);
}

std::vector<Window> BlockedRanges(const VerifyResult& verified, int64_t bucket_micros, const Cursor& cursor,
                                  bool strict) {
  // Rows of a finer column may lie behind the bucket's last microsecond.
  const int64_t fraction = cursor.precision > 6 ? 1 : 0;
  std::vector<Window> ranges;
  for (const BucketResult& bucket : verified.differences) {
    if (!Blocks(bucket, strict)) continue;
    const Window range{bucket.start - 1, bucket.start + bucket_micros - 1 + fraction};
    if (!ranges.empty() && ranges.back().to >= *range.from) {
      ranges.back().to = std::max(ranges.back().to, range.to);
    } else {
      ranges.push_back(range);
    }
  }
  return ranges;
}

Status CheckColdSince(const iceberg::TableMetadata& now, const std::string& table_uuid, int64_t verified_snapshot) {
  constexpr const char* kRemedy = "Run again: everything is verified anew.";
  if (now.table_uuid != table_uuid) {
    return MakeError(ErrorKind::kConflict, "the cold table was replaced by another of its name since it was verified",
                     kRemedy);
  }
  const iceberg::Snapshot* step = now.CurrentSnapshot();
  for (size_t i = 0; step && i < now.snapshots.size(); ++i) {
    if (step->snapshot_id == verified_snapshot) return Status::OK();
    const auto operation = step->summary.find("operation");
    const bool append = operation != step->summary.end() && operation->second == "append";
    if (!append && !step->summary.contains("calve.commit-id")) {
      return MakeError(
          ErrorKind::kConflict,
          fmt::format("since the cold table was verified, another program committed snapshot {} ({})",
                      step->snapshot_id, operation == step->summary.end() ? "no operation" : operation->second),
          kRemedy);
    }
    step = now.ParentOf(*step);
  }
  return MakeError(ErrorKind::kConflict,
                   fmt::format("the cold snapshot {}, which was verified, is no longer on main: it was rolled back or "
                               "expired",
                               verified_snapshot),
                   kRemedy);
}

std::optional<TimestampMicros> SplitOfView(const std::string& select) {
  // … FROM `db`.`t` AS _t WHERE _t.ts > SPLIT UNION ALL SELECT … FROM icebergLocal('…') AS _c WHERE _c.ts <= SPLIT
  const size_t cold = select.find("icebergLocal(");
  const size_t at = select.rfind("<= toDateTime");
  if (cold == std::string::npos || at == std::string::npos || at < cold) return std::nullopt;
  const size_t begin = select.find('\'', at);
  const size_t end = begin == std::string::npos ? begin : select.find('\'', begin + 1);
  if (end == std::string::npos) return std::nullopt;
  auto parsed = ParseTimestamp(std::string_view(select).substr(begin + 1, end - begin - 1));
  return parsed.ok() ? std::optional(*parsed) : std::nullopt;
}

}  // namespace calve::offload
