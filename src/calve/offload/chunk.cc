#include "calve/offload/chunk.h"

#include <algorithm>
#include <array>

#include "calve/offload/bucket_counts.h"

namespace calve::offload {
namespace {

constexpr std::array<int64_t, 3> kSpans = {3600 * kMicrosPerSecond, 60 * kMicrosPerSecond, kMicrosPerSecond};

class SpanCounter {
 public:
  SpanCounter(source::Source& source, const source::SourceTable& table, const Cursor& cursor, int64_t rows_max,
              const std::map<std::string, std::string>& settings)
      : source_(source), table_(table), cursor_(cursor), rows_max_(rows_max), settings_(settings) {}

  // Appends the window's spans in order.
  Status Count(const Window& window, size_t level, std::vector<RowSpan>& spans) {
    const int64_t micros = kSpans[level];
    ARROW_ASSIGN_OR_RAISE(auto rows, CountByBucket(source_, table_, cursor_, window, micros, settings_));
    for (const auto& [start, count] : rows) {
      if (count <= rows_max_ || level + 1 == kSpans.size()) {
        spans.push_back({start, start + micros, count});
        continue;
      }
      Window within{start - 1, std::min(start + micros - 1, window.to)};
      if (window.from) within.from = std::max(*window.from, start - 1);
      ARROW_RETURN_NOT_OK(Count(within, level + 1, spans));
    }
    return Status::OK();
  }

 private:
  source::Source& source_;
  const source::SourceTable& table_;
  const Cursor& cursor_;
  const int64_t rows_max_;
  const std::map<std::string, std::string>& settings_;
};

}  // namespace

int64_t RowsOfAChunk(const ChunkLimits& limits, const source::SourceTable& table) {
  int64_t rows = limits.rows > 0 ? limits.rows : INT64_MAX;
  if (limits.bytes > 0 && table.total_rows.value_or(0) > 0 && table.total_bytes.value_or(0) > 0) {
    const double bytes_of_a_row = static_cast<double>(*table.total_bytes) / static_cast<double>(*table.total_rows);
    const double fit = static_cast<double>(limits.bytes) / bytes_of_a_row;
    if (fit < static_cast<double>(rows)) rows = std::max<int64_t>(1, static_cast<int64_t>(fit));
  }
  return rows;
}

std::vector<TimestampMicros> CutChunks(const std::vector<RowSpan>& spans, TimestampMicros to, int64_t rows_max) {
  std::vector<TimestampMicros> ends;
  int64_t rows = 0;
  for (size_t i = 0; i < spans.size(); ++i) {
    if (rows > 0 && rows + spans[i].rows > rows_max) {
      ends.push_back(spans[i - 1].end - 1);
      rows = 0;
    }
    rows += spans[i].rows;
  }
  ends.push_back(to);
  return ends;
}

Result<std::vector<TimestampMicros>> AskChunkEnds(source::Source& source, const source::SourceTable& table,
                                                  const Cursor& cursor, const Window& window, int64_t rows_max,
                                                  const std::map<std::string, std::string>& settings) {
  std::vector<RowSpan> spans;
  ARROW_RETURN_NOT_OK(SpanCounter(source, table, cursor, rows_max, settings).Count(window, 0, spans));
  return CutChunks(spans, window.to, rows_max);
}

}  // namespace calve::offload
