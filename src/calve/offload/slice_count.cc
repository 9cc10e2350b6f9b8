#include "calve/offload/slice_count.h"

#include <algorithm>
#include <charconv>

#include "calve/offload/slice_fingerprint.h"
#include "calve/offload/source_select.h"
#include "calve/source/cluster_query.h"
#include "calve/source/shard_source.h"

namespace calve::offload {
namespace {

// Of one query: each slice of it is planned and run side by side with the others; and servers take 256 KiB of text, of
// 50,000 words and signs.
constexpr size_t kSlicesOfAQuery = 64;
constexpr size_t kTextBytesOfAQuery = 100'000;

template <typename T>
Result<T> CountOf(const std::string& text) {
  T number = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) {
    return MakeError(ErrorKind::kCorrupt, fmt::format("ClickHouse answered '{}' where a count was asked for", text));
  }
  return number;
}

Status CountBatch(source::Source& source, const std::string& sql, const std::map<std::string, std::string>& settings,
                  std::vector<SliceRange>& slices) {
  ARROW_ASSIGN_OR_RAISE(const auto rows, source::QueryRows(source, sql, source::QueryOptions{"", settings}));
  for (const auto& row : rows) {
    if (row.size() != 3) return MakeError(ErrorKind::kCorrupt, "ClickHouse answered with other than 3 columns");
    ARROW_ASSIGN_OR_RAISE(const auto slice, CountOf<size_t>(row.at(0)));
    if (slice >= slices.size()) return MakeError(ErrorKind::kCorrupt, "ClickHouse counted a slice that there is not");
    ARROW_ASSIGN_OR_RAISE(slices[slice].rows, CountOf<int64_t>(row.at(1)));
    ARROW_ASSIGN_OR_RAISE(slices[slice].fingerprint, CountOf<uint64_t>(row.at(2)));
  }
  return Status::OK();
}

}  // namespace

namespace {

std::string FingerprintOf(const source::SourceTable& table, const Cursor& cursor, const std::string& sequence_column) {
  const auto sequence = std::find_if(table.columns.begin(), table.columns.end(),
                                     [&](const auto& column) { return column.name == sequence_column; });
  const bool is_hashed = sequence != table.columns.end() && IsHashedSequence(sequence->type);
  return FingerprintExpression(cursor, is_hashed ? &*sequence : nullptr);
}

}  // namespace

SliceSelect CountSelect(const source::SourceTable& table, const Cursor& cursor, const std::string& sequence_column) {
  return SelectWhere(table, fmt::format("toString(count()) AS _calve_rows, {} AS _calve_fingerprint",
                                        FingerprintOf(table, cursor, sequence_column)));
}

Status CountSlice(source::Source& source, const SliceSelect& count, const source::QueryOptions& options,
                  SliceRange& slice) {
  ARROW_ASSIGN_OR_RAISE(const auto rows, source::QueryText(source, count.Of(slice.where), options));
  ARROW_ASSIGN_OR_RAISE(slice.rows, CountOf<int64_t>(rows.at(0).at(0)));
  ARROW_ASSIGN_OR_RAISE(slice.fingerprint, CountOf<uint64_t>(rows.at(0).at(1)));
  return Status::OK();
}

Status CountSlices(source::Source& source, const source::SourceTable& table, const Cursor& cursor,
                   const std::string& sequence_column, const std::map<std::string, std::string>& settings,
                   std::vector<SliceRange>& slices) {
  const std::string fingerprint = FingerprintOf(table, cursor, sequence_column);
  std::string sql;
  size_t asked = 0;
  const auto ask = [&]() -> Status {
    asked = 0;
    return CountBatch(source, std::exchange(sql, ""), settings, slices);
  };
  for (size_t i = 0; i < slices.size(); ++i) {
    slices[i].rows = 0;
    slices[i].fingerprint = 0;
    const std::string one =
        fmt::format("SELECT '{}' AS _calve_slice, toString(count()) AS _calve_rows, {} AS _calve_fingerprint FROM {}",
                    i, fingerprint, RowsClause(table, slices[i].where));
    if (asked > 0 && (asked == kSlicesOfAQuery || sql.size() + one.size() > kTextBytesOfAQuery)) {
      ARROW_RETURN_NOT_OK(ask());
    }
    sql += (sql.empty() ? "" : " UNION ALL ") + one;
    ++asked;
  }
  return asked > 0 ? ask() : Status::OK();
}

Status CountSlicesOnShards(source::Source& source, const source::SourceTable& table, const Cursor& cursor,
                           const std::string& sequence_column, const std::map<std::string, std::string>& settings,
                           const std::shared_ptr<const source::ShardServers>& replicas,
                           std::vector<SliceRange>& slices) {
  if (!source.cluster()) return CountSlices(source, table, cursor, sequence_column, settings, slices);
  std::vector<std::vector<SliceRange>> shards(static_cast<size_t>(table.shards));
  for (const SliceRange& slice : slices) shards.at(static_cast<size_t>(slice.shard.value_or(0))).push_back(slice);
  std::vector<Status> failed(shards.size());
  source::ForEachAtOnce(shards.size(), [&](size_t shard) {
    if (shards[shard].empty()) return;
    source::ShardSource one(source, static_cast<int>(shard), replicas);
    failed[shard] = CountSlices(one, table, cursor, sequence_column, settings, shards[shard]);
  });
  for (const Status& status : failed) ARROW_RETURN_NOT_OK(status);
  std::vector<size_t> next(shards.size());
  for (SliceRange& slice : slices) {
    const auto shard = static_cast<size_t>(slice.shard.value_or(0));
    slice = shards[shard][next[shard]++];
  }
  return Status::OK();
}

}  // namespace calve::offload
