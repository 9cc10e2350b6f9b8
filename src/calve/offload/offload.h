// One table, one cycle: plan a window, write it, commit it.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "calve/base/stop.h"
#include "calve/catalog/catalog.h"
#include "calve/journal/journal.h"
#include "calve/offload/chunk.h"
#include "calve/offload/column_plan.h"
#include "calve/offload/commit_window.h"
#include "calve/offload/mode.h"
#include "calve/offload/progress.h"
#include "calve/offload/slice.h"
#include "calve/source/source.h"

namespace calve::offload {

// Larger windows are written by a program that is given the lines of their slices (distribute.h).
struct Distribution {
  int64_t rows_above = 0, slice_rows = 0;
  std::vector<std::string> command;
  int64_t timeout_micros = 0;
};

struct OffloadRequest {
  std::string source_table;  // "t" or "db.t"
  std::string query;         // a SELECT in its place, which is called `source_table` then; may be empty
  std::string where;         // a ClickHouse condition: only rows that fulfil it are offloaded; may be empty
  catalog::TableIdent target;
  std::string layer;  // a label; may be empty
  std::string timestamp_column;
  std::string sequence_column;  // may be empty
  int64_t buffer_micros = 300 * kMicrosPerSecond;
  // A row stands for so long a time from its timestamp on (a candle): it is offloaded when that has passed, so that the
  // window ends that much earlier than `buffer_micros` and `until` say.
  int64_t covers_micros = 0;
  std::optional<TimestampMicros> until;
  // Where the target has rows that calve did not put there: the watermark to begin from; begin_at_first: no watermark
  // at all.
  std::optional<TimestampMicros> start_from;
  bool start_at_first = false;
  ColumnOptions columns;
  std::vector<std::string> partition_by;  // terms, for a new table
  // A table that exists is partitioned and sorted so from now on, where it has another spec or order; older files stay
  // as they are.
  bool repartition = false;
  std::vector<std::string> sort_by;               // "a", "b desc"
  std::map<std::string, std::string> properties;  // of a new table
  bool set_properties = false;                    // and of one that exists
  std::map<std::string, std::string> settings;    // of the reading query
  int64_t memory_bytes = 512 << 20;               // of blocks in flight and open files together
  // A window with more than that is committed in chunks, one after the other.
  ChunkLimits chunk;
  std::optional<Distribution> distribute;
  // So many queries read a window (a chunk) at once, each a part of its time. One where rows are sorted, or where
  // merging could tell rows of two parts apart.
  int64_t readers = 1;
  int64_t rows_for_readers = 100'000;  // with fewer rows a second query costs more than it saves
  // No further chunk is begun after that; what is left is for the next run (OffloadResult::backlog). 0: no limit.
  int64_t longest_micros = 0;
  // A ClickHouse view over hot and cold rows (view.h) whose split follows the watermark; empty: none.
  std::string view;
  int64_t lease_micros = 600 * kMicrosPerSecond;  // for how long others keep away unless it is renewed; 0: no lease
  // How far behind the watermark rows are looked for that were inserted after their window was offloaded; 0: not at
  // all.
  int64_t lookback_micros = 0;
  Mode mode = Mode::kAuto;
  // Columns that tell rows apart; empty: the sorting key of engines that merge rows, else whole rows.
  std::vector<std::string> key;
  bool dry_run = false;
};

// Rows behind the watermark that were new or had changed (late.h).
struct LateRows {
  int64_t buckets = 0;  // compared
  int64_t rows = 0, files = 0, bytes = 0;
  int64_t rows_removed = 0;            // replaced by them, or deleted
  std::optional<int64_t> snapshot_id;  // none: nothing was missing
  std::vector<std::string> notes;
};

struct OffloadResult {
  std::string table, target;  // "db.table", "ns.table"
  int64_t rows = 0, files = 0, bytes = 0, bytes_read = 0;
  std::optional<int64_t> snapshot_id;  // none: nothing was committed
  std::string run_id;                  // of the last window, as the journal has it; empty: none was begun
  Window window;
  int64_t chunks = 1;                        // commits that the window takes
  bool backlog = false;                      // chunks are left for the next run: longest_micros has passed
  std::optional<TimestampMicros> watermark;  // after this run
  double seconds = 0;
  double seconds_planning = 0, seconds_writing = 0, seconds_committing = 0, seconds_late = 0;
  SliceSeconds seconds_slice;      // what the writing is made of
  int64_t rows_null_cursor = 0;    // rows that no window will ever hold
  int64_t rows_future_cursor = 0;  // rows beyond the server's clock
  int64_t rows_expected = 0;       // counted before reading
  int64_t rows_removed = 0;        // of cold: older versions of the window's rows, which had another time
  bool created_table = false;
  LateRows late;
  std::vector<std::string> notes;
  std::vector<std::string> queries;       // the SELECTs (dry run)
  std::optional<journal::Lease> held_by;  // another calve works on the table: nothing was done
};

// Everything that an offload touches; all borrowed.
struct OffloadContext {
  source::Source& source;
  catalog::Catalog& catalog;
  storage::FileIO& file_io;
  journal::Journal* journal;  // null: none (it could not be opened)
  const Clock& clock;
  const StopToken& stop;
  ProgressSink& progress;
};

// One window of one table, in one commit or in chunks, of which each is done for good. Plans anew, a few times, when
// another calve was faster; does nothing where another calve holds the table's lease. Errors leave the target
// unchanged, with no visible debris, and say so where that cannot be known (kUnknownOutcome).
Result<OffloadResult> OffloadTable(const OffloadContext& context, const OffloadRequest& request);

}  // namespace calve::offload
