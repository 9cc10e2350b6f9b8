#include "calve/offload/testing_rows_source.h"

#include <arrow/api.h>
#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>
#include <set>
#include <utility>

#include "calve/offload/slice_fingerprint.h"

namespace calve::offload {
namespace {

using source::BlockStream;

// What stands in toDateTime64('…') behind `comparison`; `otherwise` where there is no such comparison.
Result<TimestampMicros> Bound(const std::string& sql, const std::string& comparison, TimestampMicros otherwise) {
  std::string before = comparison + " toDateTime64('";
  size_t at = sql.find(before);
  if (at == std::string::npos) return otherwise;
  at += before.size();
  return ParseTimestamp(sql.substr(at, sql.find('\'', at) - at));
}

// A condition over `_t`.`ts` and `_t`.`id`: comparisons with constants, AND, OR, brackets. Nothing where it is
// something else.
class RowCondition {
 public:
  RowCondition(std::string_view text, const SourceRow& row) : text_(text), row_(row) {}

  std::optional<bool> Holds() {
    const auto holds = Any();
    return at_ == text_.size() ? holds : std::nullopt;
  }

 private:
  bool Take(std::string_view word) {
    if (!text_.substr(at_).starts_with(word)) return false;
    at_ += word.size();
    return true;
  }
  std::optional<bool> Any() {
    auto holds = All();
    while (holds && Take(" OR ")) {
      const auto more = All();
      holds = more ? std::optional(*holds || *more) : std::nullopt;
    }
    return holds;
  }
  std::optional<bool> All() {
    auto holds = One();
    while (holds && Take(" AND ")) {
      const auto more = One();
      holds = more ? std::optional(*holds && *more) : std::nullopt;
    }
    return holds;
  }
  std::optional<bool> One() {
    if (Take("(")) {
      const auto holds = Any();
      return Take(")") ? holds : std::nullopt;
    }
    const bool is_time = Take("_t.`ts` ");
    if (!is_time && !Take("_t.`id` ")) return std::nullopt;
    const size_t space = text_.find(' ', at_);
    const std::string_view op = text_.substr(at_, space - at_);
    at_ = space + 1;
    const int64_t left = is_time ? row_.ts : row_.id;
    const auto right = is_time ? Time() : Number();
    if (!right) return std::nullopt;
    if (op == ">") return left > *right;
    if (op == ">=") return left >= *right;
    if (op == "<") return left < *right;
    if (op == "<=") return left <= *right;
    return op == "=" ? std::optional(left == *right) : std::nullopt;
  }
  std::optional<int64_t> Time() {
    if (!Take("toDateTime64('")) return std::nullopt;
    const size_t end = text_.find('\'', at_);
    auto time = ParseTimestamp(text_.substr(at_, end - at_));
    at_ = text_.find(')', end) + 1;
    return time.ok() ? std::optional(*time) : std::nullopt;
  }
  std::optional<int64_t> Number() {
    const size_t end = std::min(text_.find_first_not_of("-0123456789", at_), text_.size());
    const std::string digits(text_.substr(at_, end - at_));
    at_ = end;
    return digits.empty() ? std::nullopt : std::optional(std::stoll(digits));
  }

  const std::string_view text_;
  const SourceRow& row_;
  size_t at_ = 0;
};

// Names of its list of columns, in order.
std::vector<std::string> SelectedNames(const std::string& sql) {
  std::vector<std::string> names;
  const size_t end = std::min(sql.find(" FROM "), sql.size());
  for (size_t at = sql.find('`'); at < end; at = sql.find('`', at + 1)) {
    const size_t close = sql.find('`', at + 1);
    names.push_back(sql.substr(at + 1, close - at - 1));
    at = close;
  }
  return names;
}

// What a part_coverage predicate lists as seen: "… >= 1 AND … <= 9 OR … >= 11 AND … <= 11"; empty where all is new.
std::vector<std::pair<int64_t, int64_t>> SeenBlocks(const std::string& sql) {
  std::vector<std::pair<int64_t, int64_t>> seen;
  // Each number stands behind its column's name, which is an alias's end the first time.
  auto number = [&](const char* name, const char* comparison, size_t* at) -> int64_t {
    *at = sql.find(comparison, sql.find(name, *at)) + 4;
    return std::stoll(sql.substr(*at));
  };
  for (size_t at = sql.find("_calve_first"); at != std::string::npos; at = sql.find("_calve_first", at)) {
    const int64_t first = number("_calve_first", " >= ", &at);
    seen.emplace_back(first, number("_calve_last", " <= ", &at));
  }
  return seen;
}

class RowStream : public BlockStream {
 public:
  RowStream(std::vector<SourceRow> rows, std::vector<std::string> names, int64_t per_block)
      : rows_(std::move(rows)), names_(std::move(names)), per_block_(static_cast<size_t>(per_block)) {}

  Result<std::shared_ptr<arrow::RecordBatch>> Next() override {
    if (next_ == rows_.size()) return nullptr;
    arrow::TimestampBuilder ts(arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"), arrow::default_memory_pool());
    arrow::Int64Builder id;
    arrow::BinaryBuilder symbol;
    arrow::Int32Builder extra;
    size_t end = std::min(rows_.size(), next_ + per_block_);
    auto count = static_cast<int64_t>(end - next_);
    for (; next_ < end; ++next_) {
      const SourceRow& row = rows_[next_];
      ARROW_RETURN_NOT_OK(ts.Append(row.ts));
      ARROW_RETURN_NOT_OK(id.Append(row.id));
      ARROW_RETURN_NOT_OK(symbol.Append(row.symbol));
      ARROW_RETURN_NOT_OK(extra.Append(ExtraOf(row.id)));
    }
    const std::map<std::string, arrow::ArrayBuilder*> builders = {
        {"ts", &ts}, {"id", &id}, {"symbol", &symbol}, {"extra", &extra}};
    arrow::FieldVector fields;
    arrow::ArrayVector columns;
    for (const std::string& name : names_) {
      ARROW_ASSIGN_OR_RAISE(auto column, builders.at(name)->Finish());
      columns.push_back(std::move(column));
      fields.push_back(arrow::field(name, columns.back()->type(), false));
    }
    return arrow::RecordBatch::Make(arrow::schema(std::move(fields)), count, std::move(columns));
  }
  int64_t bytes_read() const override { return static_cast<int64_t>(next_ * sizeof(SourceRow)); }

 private:
  const std::vector<SourceRow> rows_;
  const std::vector<std::string> names_;
  const size_t per_block_;
  size_t next_ = 0;
};

}  // namespace

RowsSource::RowsSource() : text_([this](const std::string& sql) { return AnswerText(sql); }) {}

void RowsSource::Insert(SourceRow row) { InsertBlock({std::move(row)}); }

void RowsSource::InsertBlock(std::vector<SourceRow> rows) {
  std::lock_guard lock(mutex_);
  ++last_block_;
  for (SourceRow& row : rows) {
    row.block = last_block_;
    rows_.push_back(std::move(row));
  }
  parts_.push_back({last_block_, last_block_});
}

void RowsSource::MergeBy(std::string sorting_key) {
  std::lock_guard lock(mutex_);
  sorting_key_ = std::move(sorting_key);
}

bool RowsSource::SameKey(const SourceRow& a, const SourceRow& b) const {
  return a.id == b.id && (sorting_key_.find("ts") == std::string::npos || a.ts == b.ts);
}

void RowsSource::MergeParts(size_t first, size_t count) {
  std::lock_guard lock(mutex_);
  if (first >= parts_.size()) return;
  const size_t end = std::min(parts_.size(), first + count);
  const Part merged{parts_[first].block_min, parts_[end - 1].block_max};
  parts_.erase(parts_.begin() + static_cast<int64_t>(first), parts_.begin() + static_cast<int64_t>(end));
  parts_.insert(parts_.begin() + static_cast<int64_t>(first), merged);
  if (sorting_key_.empty()) return;
  const auto in_part = [&](const SourceRow& row) {
    return row.block >= merged.block_min && row.block <= merged.block_max;
  };
  std::vector<SourceRow> kept;
  for (size_t i = 0; i < rows_.size(); ++i) {
    const bool replaced = in_part(rows_[i]) && std::any_of(rows_.begin() + static_cast<int64_t>(i) + 1, rows_.end(),
                                                           [&](const SourceRow& later) {
                                                             return in_part(later) && SameKey(rows_[i], later);
                                                           });
    if (!replaced) kept.push_back(rows_[i]);
  }
  rows_ = std::move(kept);
}

void RowsSource::Drop(TimestampMicros up_to) {
  std::lock_guard lock(mutex_);
  std::erase_if(rows_, [&](const SourceRow& row) { return row.ts <= up_to; });
  std::erase_if(parts_, [&](const Part& part) {
    return std::none_of(rows_.begin(), rows_.end(), [&](const SourceRow& row) {
      return row.block >= part.block_min && row.block <= part.block_max;
    });
  });
}

void RowsSource::AddColumn() {
  std::lock_guard lock(mutex_);
  has_extra_ = true;
}

void RowsSource::SetNow(TimestampMicros now) {
  std::lock_guard lock(mutex_);
  now_ = now;
}

TimestampMicros RowsSource::now() const {
  std::lock_guard lock(mutex_);
  return now_;
}

std::vector<SourceRow> RowsSource::RowsUpTo(TimestampMicros end) const {
  std::lock_guard lock(mutex_);
  std::vector<SourceRow> out;
  for (const SourceRow& row : rows_) {
    if (row.ts <= end) out.push_back(row);
  }
  return out;
}

std::vector<SourceRow> RowsSource::NewestVersions() const {
  std::lock_guard lock(mutex_);
  return Newest();
}

std::vector<SourceRow> RowsSource::Newest() const {
  if (sorting_key_.empty()) return rows_;
  std::map<std::pair<int64_t, TimestampMicros>, SourceRow> newest;
  const bool by_time = sorting_key_.find("ts") != std::string::npos;
  for (const SourceRow& row : rows_) newest[{row.id, by_time ? row.ts : 0}] = row;
  std::vector<SourceRow> out;
  for (auto& [key, row] : newest) out.push_back(std::move(row));
  return out;
}

Status RowsSource::Execute(const std::string&, const source::QueryOptions&) { return Status::OK(); }

Status RowsSource::Insert(const source::Insertion&, const source::BatchProducer&, const source::QueryOptions&) {
  return MakeError(ErrorKind::kFailed, "nobody taught this source to take rows");
}

Result<std::vector<SourceRow>> RowsSource::Matching(const std::string& sql) const {
  constexpr auto kNever = std::numeric_limits<TimestampMicros>::max();
  ARROW_ASSIGN_OR_RAISE(TimestampMicros after, Bound(sql, ">", -kNever));
  ARROW_ASSIGN_OR_RAISE(TimestampMicros up_to, Bound(sql, "<=", kNever));
  const bool merged = sql.find(" FINAL WHERE ") != std::string::npos;
  std::vector<SourceRow> out;
  for (const SourceRow& row : merged ? Newest() : rows_) {
    if (row.ts > after && row.ts <= up_to && !(merged && row.deleted)) out.push_back(row);
  }
  return out;
}

// By the whole of the query's WHERE.
Result<std::vector<SourceRow>> RowsSource::Slice(const std::string& sql) const {
  const size_t where = sql.find(" WHERE ");
  if (where == std::string::npos) return Matching(sql);
  const std::string condition = sql.substr(where + 7);
  const bool merged = sql.find(" FINAL WHERE ") != std::string::npos;
  std::vector<SourceRow> out;
  for (const SourceRow& row : merged ? Newest() : rows_) {
    const auto holds = RowCondition(condition, row).Holds();
    if (!holds) return MakeError(ErrorKind::kFailed, "nobody taught this source to understand " + condition);
    if (*holds && !(merged && row.deleted)) out.push_back(row);
  }
  return out;
}

// As CutSlices asks for the keys of rows.
Result<source::TestingFakeSource::Rows> RowsSource::KeySamples(const std::string& sql) const {
  ARROW_ASSIGN_OR_RAISE(auto rows, Matching(sql));
  const bool by_id = sql.find("concat('+', toString(_t.`id`))") != std::string::npos;
  std::sort(rows.begin(), rows.end(), [&](const SourceRow& a, const SourceRow& b) {
    return by_id ? std::pair(a.id, a.ts) < std::pair(b.id, b.ts) : a.ts < b.ts;
  });
  source::TestingFakeSource::Rows samples;
  for (const SourceRow& row : rows) {
    samples.push_back({"", "1"});
    if (by_id) samples.back().push_back(fmt::format("+{}", row.id));
    if (sql.find("toUnixTimestamp64Micro") != std::string::npos) samples.back().push_back(fmt::format("+{}", row.ts));
  }
  return samples;
}

// As CountSlices asks ("SELECT '0' AS _calve_slice, toString(count()) …", with UNION ALL between them), and CountSlice,
// which does not number.
Result<source::TestingFakeSource::Rows> RowsSource::SliceCounts(const std::string& sql) const {
  constexpr std::string_view kUnion = " UNION ALL ";
  source::TestingFakeSource::Rows counts;
  for (size_t at = 0; at != std::string::npos;) {
    const size_t end = sql.find(kUnion, at);
    const std::string one = sql.substr(at, end == std::string::npos ? end : end - at);
    at = end == std::string::npos ? end : end + kUnion.size();
    ARROW_ASSIGN_OR_RAISE(auto rows, Slice(one));
    const bool hashes_id = one.substr(0, one.find(" FROM ")).find("`id`") != std::string::npos;
    RowsFingerprint fingerprint("ts", hashes_id ? "id" : "");
    RowStream stream(std::move(rows), {"ts", "id"}, std::numeric_limits<int32_t>::max());
    ARROW_ASSIGN_OR_RAISE(const auto batch, stream.Next());
    if (batch) ARROW_RETURN_NOT_OK(fingerprint.Add(*batch));
    auto& row = counts.emplace_back();
    const size_t number = one.find("' AS _calve_slice");
    if (number != std::string::npos) row.push_back(one.substr(8, number - 8));
    row.push_back(fmt::to_string(fingerprint.rows()));
    row.push_back(fmt::to_string(fingerprint.value()));
  }
  return counts;
}

// Rows of the window whose newest version, wherever it is, says that they are gone.
Result<std::vector<SourceRow>> RowsSource::DeletedKeys(const std::string& sql) const {
  const size_t end = sql.find(" NOT IN (");
  ARROW_ASSIGN_OR_RAISE(auto rows, Matching(sql.substr(0, end)));
  const std::vector<SourceRow> newest = Newest();
  std::erase_if(rows, [&](const SourceRow& row) {
    return std::any_of(newest.begin(), newest.end(),
                       [&](const SourceRow& other) { return SameKey(row, other) && !other.deleted; });
  });
  return rows;
}

Result<source::TestingFakeSource::Rows> RowsSource::LateBuckets(const std::string& sql) const {
  const auto seen = SeenBlocks(sql);
  ARROW_ASSIGN_OR_RAISE(auto rows, Matching(sql));
  std::set<int64_t> hours;
  for (const SourceRow& row : rows) {
    const auto part = std::find_if(parts_.begin(), parts_.end(),
                                   [&](const Part& p) { return row.block >= p.block_min && row.block <= p.block_max; });
    const bool known = std::any_of(seen.begin(), seen.end(), [&](const auto& range) {
      return range.first <= part->block_min && part->block_max <= range.second;
    });
    constexpr int64_t kHour = 3600;
    if (!known) hours.insert(row.ts / (kHour * kMicrosPerSecond) * kHour);
  }
  source::TestingFakeSource::Rows out;
  for (int64_t hour : hours) out.push_back({fmt::to_string(hour)});
  return out;
}

// Of the rows as they lie there, by "floor(… / 3600)".
Result<source::TestingFakeSource::Rows> RowsSource::BucketCounts(const std::string& sql) const {
  const int64_t seconds = std::stoll(sql.substr(sql.rfind("* ", sql.find(") AS bucket")) + 2));
  ARROW_ASSIGN_OR_RAISE(auto rows, Matching(sql));
  std::map<int64_t, int64_t> counts;
  for (const SourceRow& row : rows) ++counts[row.ts / (seconds * kMicrosPerSecond) * seconds];
  source::TestingFakeSource::Rows out;
  for (const auto& [start, count] : counts) out.push_back({fmt::to_string(start), fmt::to_string(count)});
  return out;
}

Result<source::TestingFakeSource::Rows> RowsSource::AnswerText(const std::string& sql) const {
  if (sql.starts_with("SELECT version()"))
    return source::TestingFakeSource::Rows{{"26.5.1.1", "srv", fmt::to_string(now_)}};
  if (sql.starts_with("SELECT engine_full FROM system.tables")) {
    return source::TestingFakeSource::Rows{{"ReplacingMergeTree(version, is_deleted) ORDER BY (" + sorting_key_ + ")"}};
  }
  if (sql.starts_with("SELECT toString(uuid)")) return source::TestingFakeSource::Rows{{"uuid"}};
  if (sql.find(" AS _calve_fingerprint FROM ") != std::string::npos) return SliceCounts(sql);
  if (sql.find("FROM system.tables") != std::string::npos) {
    const bool merges = !sorting_key_.empty();
    return source::TestingFakeSource::Rows{
        {merges ? "ReplacingMergeTree" : "MergeTree", "", merges ? sorting_key_ : "id", "uuid", "", ""}};
  }
  if (sql.find("FROM system.parts") != std::string::npos) {
    source::TestingFakeSource::Rows parts;
    for (const Part& part : parts_) {
      parts.push_back({"all", fmt::to_string(part.block_min), fmt::to_string(part.block_max)});
    }
    return parts;
  }
  if (sql.ends_with(" GROUP BY bucket")) {
    return sql.find("count()") == std::string::npos ? LateBuckets(sql) : BucketCounts(sql);
  }
  if (sql.find("FROM system.columns") != std::string::npos) {
    source::TestingFakeSource::Rows columns = {
        {"ts", "DateTime64(6, 'UTC')", "", ""}, {"id", "Int64", "", ""}, {"symbol", "String", "", ""}};
    if (has_extra_) columns.push_back({"extra", "Int32", "", ""});
    return columns;
  }
  if (sql.find("FROM mergeTreeIndex(") != std::string::npos) {
    return MakeError(ErrorKind::kConfig, "there is no such function");
  }
  if (sql.find("rowNumberInAllBlocks() % 1 = 0") != std::string::npos) return KeySamples(sql);
  if (sql.starts_with("SELECT toString(count())")) {
    ARROW_ASSIGN_OR_RAISE(auto rows, Matching(sql));
    return source::TestingFakeSource::Rows{{fmt::to_string(rows.size())}};
  }
  return MakeError(ErrorKind::kFailed, "nobody taught this source to answer " + sql);
}

Result<std::unique_ptr<BlockStream>> RowsSource::Query(const std::string& sql, const source::QueryOptions& options) {
  const bool deleted = sql.find("(SELECT DISTINCT ") != std::string::npos;
  if (!deleted && !sql.starts_with("SELECT `ts`")) {
    std::lock_guard lock(mutex_);
    return text_.Query(sql, options);
  }
  std::function<void()> before;
  {
    std::lock_guard lock(mutex_);
    if (!deleted) before = std::exchange(before_rows, nullptr);
  }
  if (before) before();
  std::lock_guard lock(mutex_);
  ARROW_ASSIGN_OR_RAISE(auto rows, deleted ? DeletedKeys(sql) : Slice(sql));
  return std::make_unique<RowStream>(std::move(rows), SelectedNames(sql), rows_per_block);
}

}  // namespace calve::offload
