#include "calve/offload/bucket_counts.h"

#include <charconv>

#include "calve/source/cluster_query.h"

namespace calve::offload {
namespace {

Result<int64_t> NumberOf(const std::string& text) {
  int64_t number = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) {
    return MakeError(ErrorKind::kCorrupt, fmt::format("ClickHouse answered '{}' where a number was expected", text));
  }
  return number;
}

}  // namespace

Result<std::map<TimestampMicros, int64_t>> CountByBucket(source::Source& source, const source::SourceTable& table,
                                                         const Cursor& cursor, const Window& window,
                                                         int64_t bucket_micros,
                                                         const std::map<std::string, std::string>& settings) {
  const std::string sql =
      fmt::format("SELECT toString({}) AS bucket, toString(count()) FROM {} WHERE {} GROUP BY bucket",
                  BucketExpression(cursor, bucket_micros), FromClause(table), WindowPredicate(window, cursor));
  ARROW_ASSIGN_OR_RAISE(const auto shards, source::QueryShards(source, sql, source::QueryOptions{"", settings}));
  std::map<TimestampMicros, int64_t> counts;
  for (const auto& rows : shards) {
    for (const auto& row : rows) {
      ARROW_ASSIGN_OR_RAISE(const int64_t start, NumberOf(row.at(0)));
      ARROW_ASSIGN_OR_RAISE(const int64_t count, NumberOf(row.at(1)));
      counts[start * kMicrosPerSecond] += count;
    }
  }
  return counts;
}

}  // namespace calve::offload
