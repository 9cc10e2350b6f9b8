#include "calve/offload/snapshot_as_of.h"

#include <fmt/format.h>

#include <optional>

namespace calve::offload {

Result<int64_t> SnapshotAsOf(const iceberg::TableMetadata& metadata, TimestampMicros time) {
  std::optional<iceberg::SnapshotLogEntry> last, first;
  for (const iceberg::SnapshotLogEntry& entry : metadata.snapshot_log) {
    if (!first) first = entry;
    if (entry.timestamp_ms * 1000 <= time) last = entry;
  }
  if (!last) {
    return MakeError(ErrorKind::kNotFound,
                     fmt::format("the table's history does not reach back to {}", FormatTimestamp(time)),
                     first ? fmt::format("It begins at {}.", FormatTimestamp(first->timestamp_ms * 1000))
                           : "Name a snapshot with --snapshot.");
  }
  if (!metadata.FindSnapshot(last->snapshot_id)) {
    return MakeError(ErrorKind::kNotFound, fmt::format("snapshot {}, the table's at {}, was expired", last->snapshot_id,
                                                       FormatTimestamp(time)));
  }
  return last->snapshot_id;
}

}  // namespace calve::offload
