#include "calve/offload/slice_cut.h"

#include <algorithm>
#include <charconv>

#include "calve/offload/hot_parts.h"
#include "calve/offload/slice_ranges.h"
#include "calve/source/cluster_query.h"
#include "calve/source/shard_source.h"

namespace calve::offload {
namespace {

// Samples for each slice, from the index (every granule of a part in turn, so that few tell much) and from rows.
constexpr int64_t kMarksOfASlice = 20, kRowsOfASlice = 100;
// Most granules of the window are in parts that have at least so many: the first key of a small part says little of it.
constexpr int64_t kMarksOfAPart = 16;
// In memory, and at least so many where there are as many rows: then a small window is cut exactly.
constexpr int64_t kSamplesMax = 400'000, kSamplesMin = 20'000;
// What sampled slices aim at, so that what they hold is rarely more than the most.
constexpr double kAimOfSamples = 0.85;

int64_t CeilOf(int64_t a, int64_t b) { return a / b + (a % b != 0 ? 1 : 0); }

Result<int64_t> WholeNumberOf(const std::string& text) {
  int64_t number = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) {
    return MakeError(ErrorKind::kCorrupt, fmt::format("ClickHouse answered '{}' where a number was asked for", text));
  }
  return number;
}

bool IsAnswer(const Status& status) {
  return KindOf(status) != ErrorKind::kRetry && KindOf(status) != ErrorKind::kStopped;
}

class SliceCutter {
 public:
  SliceCutter(source::Source& source, const source::SourceTable& table, const Cursor& cursor, const Window& window,
              const CutOptions& options)
      : source_(source),
        table_(table),
        columns_(CutColumns(table, cursor)),
        window_(WindowPredicate(window, cursor)),
        options_(options) {
    has_parts_ = table.query.empty() && table.engine.ends_with("MergeTree");
    // Rows that are merged have to be in one slice.
    by_partition_ =
        has_parts_ && !table.partition_key.empty() && (!ReadsMerged(table.engine) || PartitionFollowsKey(table));
    for (const KeyColumn& column : columns_) has_cursor_ |= column.name == cursor.column;
  }

  Result<std::vector<KeyRange>> Cut() {
    if (columns_.empty() && !by_partition_) return std::vector<KeyRange>(1);
    ARROW_ASSIGN_OR_RAISE(auto samples, FromIndex());
    if (!samples) {
      ARROW_ASSIGN_OR_RAISE(samples, FromRows());
    }
    return CutRanges(columns_, *samples, std::max<int64_t>(1, rows_aim_));
  }

  const std::vector<KeyColumn>& columns() const { return columns_; }

 private:
  // The keys at which the index's granules begin. Nothing where it does not tell enough, or this server does not show
  // it.
  Result<std::optional<std::vector<KeySample>>> FromIndex() {
    if (!has_parts_ || !has_cursor_ || !table_.row_filter.empty()) return std::nullopt;
    const std::string from =
        fmt::format("FROM mergeTreeIndex({}, {}) AS {} WHERE rows_in_granule > 0 AND {}",
                    source::QuoteString(table_.database), source::QuoteString(table_.name), kTableAlias, window_);
    auto told =
        Ask("SELECT toString(count()), toString(sum(rows_in_granule)), toString(uniqExact(part_name)) " + from, 3);
    if (!told.ok())
      return IsAnswer(told.status()) ? Result<std::optional<std::vector<KeySample>>>(std::nullopt) : told.status();
    if (told->empty()) return std::nullopt;
    ARROW_ASSIGN_OR_RAISE(const int64_t marks, WholeNumberOf(told->front().at(0)));
    ARROW_ASSIGN_OR_RAISE(const int64_t rows, WholeNumberOf(told->front().at(1)));
    ARROW_ASSIGN_OR_RAISE(const int64_t parts, WholeNumberOf(told->front().at(2)));
    const int64_t slices = CeilOf(rows, options_.rows_max);
    if (marks == 0 || marks < kMarksOfASlice * slices || marks < kMarksOfAPart * parts) return std::nullopt;
    SetAim(rows, true);
    const int64_t step = CeilOf(marks, kSamplesMax);
    const std::string sql = SelectSamples("substring(part_name, 1, position(part_name, '_') - 1)",
                                          fmt::format("toString(rows_in_granule * {})", step),
                                          fmt::format("{} AND mark_number % {} = 0", from, step));
    ARROW_ASSIGN_OR_RAISE(auto answer, Ask(sql, columns_.size() + 2));
    ARROW_ASSIGN_OR_RAISE(auto samples, ReadSamples(answer));
    return samples;
  }

  // Every n-th row of the window: their keys and cursors are read, no other column.
  Result<std::vector<KeySample>> FromRows() {
    const std::string filter = table_.row_filter.empty() ? "" : fmt::format(" AND (\n{}\n)", table_.row_filter);
    const std::string from = fmt::format("FROM {} WHERE {}{}", FromClause(table_), window_, filter);
    ARROW_ASSIGN_OR_RAISE(const auto told, Ask("SELECT toString(count()) " + from, 1));
    ARROW_ASSIGN_OR_RAISE(const int64_t rows, WholeNumberOf(told.empty() ? "0" : told.front().at(0)));
    if (rows <= options_.rows_max) return std::vector<KeySample>();
    const int64_t wanted = std::clamp(CeilOf(rows, options_.rows_max) * kRowsOfASlice, kSamplesMin, kSamplesMax);
    const int64_t step = CeilOf(rows, wanted);
    SetAim(rows, step > 1);
    const auto sql = [&] {
      return SelectSamples(fmt::format("{}._partition_id", kTableAlias), fmt::format("'{}'", step),
                           fmt::format("{} AND rowNumberInAllBlocks() % {} = 0", from, step));
    };
    auto answer = Ask(sql(), columns_.size() + 2);
    if (!answer.ok() && by_partition_ && IsAnswer(answer.status())) {
      // Older servers do not have it.
      by_partition_ = false;
      answer = Ask(sql(), columns_.size() + 2);
    }
    ARROW_RETURN_NOT_OK(answer.status());
    return ReadSamples(*answer);
  }

  void SetAim(int64_t rows, bool is_sampled) {
    rows_aim_ = options_.rows_max;
    if (is_sampled && rows > options_.rows_max) {
      rows_aim_ = static_cast<int64_t>(static_cast<double>(options_.rows_max) * kAimOfSamples);
    }
  }

  std::string SelectSamples(const std::string& partition, const std::string& rows, const std::string& from) const {
    std::string sql = fmt::format("SELECT {} AS _calve_partition, {}", by_partition_ ? partition : "''", rows);
    std::string order = "_calve_partition";
    for (const KeyColumn& column : columns_) {
      sql += ", " + KeyText(column);
      order += fmt::format(", {}{}", KeyName(column), column.nullable ? " ASC NULLS FIRST" : "");
    }
    return fmt::format("{} {} ORDER BY {}", sql, from, order);
  }

  Result<std::vector<KeySample>> ReadSamples(const std::vector<std::vector<std::string>>& rows) const {
    std::vector<KeySample> samples;
    samples.reserve(rows.size());
    for (const auto& row : rows) {
      KeySample sample{row.at(0), {}, 0};
      ARROW_ASSIGN_OR_RAISE(sample.rows, WholeNumberOf(row.at(1)));
      for (size_t i = 0; i < columns_.size(); ++i) {
        ARROW_ASSIGN_OR_RAISE(auto value, ParseKeyText(columns_[i], row.at(i + 2)));
        sample.key.push_back(std::move(value));
      }
      samples.push_back(std::move(sample));
    }
    return samples;
  }

  Result<std::vector<std::vector<std::string>>> Ask(const std::string& sql, size_t columns) {
    ARROW_ASSIGN_OR_RAISE(auto rows, source::QueryRows(source_, sql, source::QueryOptions{"", options_.settings}));
    const bool is_whole = std::all_of(rows.begin(), rows.end(), [&](const auto& row) { return row.size() == columns; });
    if (is_whole) return rows;
    return MakeError(ErrorKind::kCorrupt,
                     fmt::format("ClickHouse answered with other than {} columns: {}", columns, sql));
  }

  source::Source& source_;
  const source::SourceTable& table_;
  const std::vector<KeyColumn> columns_;
  const std::string window_;
  const CutOptions& options_;
  bool has_parts_ = false, by_partition_ = false, has_cursor_ = false;
  int64_t rows_aim_ = INT64_MAX;
};

}  // namespace

Result<std::vector<SliceRange>> CutSlices(source::Source& source, const source::SourceTable& table,
                                          const Cursor& cursor, const RowIdentity& identity, const Window& window,
                                          const CutOptions& options) {
  const std::string in_window = WindowPredicate(window, cursor);
  // Versions of a row may be at several times: two queries could see two of them.
  if (options.rows_max <= 0 || identity.key_spans_time) {
    return std::vector<SliceRange>{{in_window, options.shard, 0, 0}};
  }
  SliceCutter cutter(source, table, cursor, window, options);
  ARROW_ASSIGN_OR_RAISE(const auto ranges, cutter.Cut());
  std::vector<SliceRange> slices;
  for (const KeyRange& range : ranges) {
    const std::string condition = RangeCondition(cutter.columns(), range);
    slices.push_back({in_window + (condition.empty() ? "" : " AND " + condition), options.shard, 0, 0});
  }
  return slices;
}

Result<std::vector<SliceRange>> CutOnShards(source::Source& source, const source::SourceTable& table,
                                            const Cursor& cursor, const RowIdentity& identity, const Window& window,
                                            const std::shared_ptr<const source::ShardServers>& replicas,
                                            const CutOptions& options) {
  if (!source.cluster()) return CutSlices(source, table, cursor, identity, window, options);
  std::vector<std::vector<SliceRange>> shards(static_cast<size_t>(table.shards));
  std::vector<Status> failed(shards.size());
  source::ForEachAtOnce(shards.size(), [&](size_t shard) {
    CutOptions of_shard = options;
    of_shard.shard = static_cast<int>(shard);
    source::ShardSource one(source, *of_shard.shard, replicas);
    auto cut = CutSlices(one, table, cursor, identity, window, of_shard);
    if (cut.ok()) shards[shard] = std::move(*cut);
    failed[shard] = cut.status();
  });
  for (const Status& status : failed) ARROW_RETURN_NOT_OK(status);
  std::vector<SliceRange> slices;
  for (size_t i = 0;; ++i) {
    const size_t before = slices.size();
    for (auto& shard : shards) {
      if (i < shard.size()) slices.push_back(std::move(shard[i]));
    }
    if (slices.size() == before) return slices;
  }
}

}  // namespace calve::offload
