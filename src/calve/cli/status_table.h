// What `calve status` shows: values, and their forms for programs and for people. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "calve/cli/json_output.h"
#include "calve/journal/journal.h"
#include "calve/offload/watermark.h"

namespace calve::cli {

struct TableStatus {
  std::string table;  // the target
  std::string layer;  // may be empty
  std::optional<offload::Watermark> watermark;
  std::optional<int64_t> snapshot_id;
  std::string rows, files, bytes;  // of the tip's summary; empty where it does not say
  size_t snapshots = 0;
  std::optional<journal::RunRecord> last_run;
  std::optional<TimestampMicros> paused_since{};  // for calve serve
  int64_t failures = 0;                           // in a row, as the journal has it
  Status error;
  // What is wanted of it: a window ends so much before the present, and the next begins after so long.
  int64_t delay_micros = 300 * kMicrosPerSecond, interval_micros = 900 * kMicrosPerSecond;
};

// fresh; behind, stale: the watermark is older than the delay explains, by so much that the alerts of deploy/prometheus
// warn, or are critical; running; failed; error: it cannot be read; empty: nothing is offloaded yet.
enum class TableFreshness { kFresh, kRunning, kBehind, kStale, kFailed, kError, kEmpty };
TableFreshness FreshnessOf(const TableStatus& status, TimestampMicros now);
std::string_view FreshnessName(TableFreshness freshness);

Json StatusJson(const TableStatus& status, TimestampMicros now);

struct StatusTableOptions {
  std::optional<size_t> width = {};  // columns of the terminal; none: as wide as it gets
  bool color = false;
};
// A header and a line for each table, without line ends. Where the width does not do, columns are shortened and left
// out: at 80 the essential ones are there, at 40 table, lag and state.
std::vector<std::string> StatusLines(const std::vector<TableStatus>& tables, TimestampMicros now,
                                     const StatusTableOptions& options);

}  // namespace calve::cli
