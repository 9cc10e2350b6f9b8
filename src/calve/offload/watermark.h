// The watermark as it stands in the target table: written in the snapshot that holds the rows, read back from there.
// docs/architecture.md, "Where the truth lives". Pure.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "calve/base/time.h"
#include "calve/iceberg/table_metadata.h"
#include "calve/offload/window.h"
#include "calve/table/watermark_keys.h"

namespace calve::offload {

using table::kWatermarkProperty;
using table::kWatermarkTag;
// Of a table that others had filled: rows up to this time are theirs, and calve never loaded them.
inline constexpr const char* kStartProperty = "calve.start-from";
// Rows up to this time may have been dropped from hot (calve retire): that hot lacks a row there, or gives an older
// version or a part of a sum for it, says nothing about cold. Only moves on.
inline constexpr const char* kRetiredProperty = "calve.retired-to";

// What a snapshot of calve's says of itself: the summary keys calve.*.
struct CommitStamp {
  std::string source;  // server uuid/database.table/table uuid
  std::optional<TimestampMicros> window_from;
  TimestampMicros window_to = 0;
  std::optional<int64_t> max_sequence;
  int64_t rows = 0;
  std::string commit_id;  // a UUID, made before the commit is first tried
  std::string kind = "append";
};

// The part of calve.source that stays when a server or a table is built anew: "database.table".
std::string SourceTableOf(const std::string& stamp_source);

std::map<std::string, std::string> StampSummary(const CommitStamp& stamp);
// The property's JSON: the same keys, and the snapshot that holds them.
std::string StampProperty(const CommitStamp& stamp, int64_t snapshot_id, int64_t sequence_number);

struct Watermark {
  CommitStamp stamp;
  int64_t snapshot_id = 0;
  bool from_property = false;  // the history is cut off before it
};

// The watermark of `main`: the nearest ancestor with calve.window-to; where the history is cut off before one is found,
// the property, if its snapshot is in the part that was cut off. nullopt: calve never committed to this table, or main
// was rolled back to before it did. kCorrupt for keys that do not parse. kConfig where the history is cut off and the
// property tells of a snapshot that main no longer holds: only the operator knows then.
Result<std::optional<Watermark>> ReadWatermark(const iceberg::TableMetadata& metadata);

// What kRetiredProperty says; nullopt: nothing was ever retired. kCorrupt where it does not parse.
Result<std::optional<TimestampMicros>> ReadRetiredTo(const iceberg::TableMetadata& metadata);

// The snapshot with that commit id, wherever it is in the metadata (also off main, also only in the property).
struct CommitTrace {
  int64_t snapshot_id = 0;
  // An ancestor of main's tip (or the tip); where only the property still tells of it, one that the history was cut off
  // behind.
  bool on_main = false;
  // Where the history is cut off before it, `on_main` is told by age alone: main may have been rolled back to before
  // the snapshot, gone on with another one, and then been cut off. True where that cannot be: the snapshot is there, or
  // the parent of the oldest one that is.
  bool is_certain = false;
};
std::optional<CommitTrace> FindCommit(const iceberg::TableMetadata& metadata, const std::string& commit_id);

}  // namespace calve::offload
