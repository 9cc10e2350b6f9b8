// A window with more rows than one commit should take, cut into chunks at the borders of buckets: hours, and minutes or
// seconds of those that are too large.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "calve/offload/window.h"
#include "calve/source/source.h"

namespace calve::offload {

// The most that one commit takes; 0: no limit. A second with more rows than that is one chunk all the same.
struct ChunkLimits {
  int64_t rows = 0;
  int64_t bytes = 0;  // as many rows as take them on ClickHouse's disk, by the table's mean
};

// In rows; INT64_MAX: no limit. Pure.
int64_t RowsOfAChunk(const ChunkLimits& limits, const source::SourceTable& table);

// Rows with a cursor in [start, end).
struct RowSpan {
  TimestampMicros start = 0, end = 0;
  int64_t rows = 0;
};

// The last instant of each chunk, ascending; the last one is `to`. `spans` are in order. Pure.
std::vector<TimestampMicros> CutChunks(const std::vector<RowSpan>& spans, TimestampMicros to, int64_t rows_max);

// The same for the rows that the source has by now: one query, and one more for each hour or minute that is too large.
Result<std::vector<TimestampMicros>> AskChunkEnds(source::Source& source, const source::SourceTable& table,
                                                  const Cursor& cursor, const Window& window, int64_t rows_max,
                                                  const std::map<std::string, std::string>& settings);

}  // namespace calve::offload
