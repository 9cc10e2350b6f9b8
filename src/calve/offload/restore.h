// Cold rows back into a ClickHouse table: those that it lacks, and no other.
//
// An INSERT is not atomic and its answer may be lost, so nothing is remembered between runs: each one compares first,
// bucket by bucket, and inserts the difference. Whatever became of a run before, the next one completes it.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "calve/journal/journal.h"
#include "calve/offload/verify.h"

namespace calve::offload {

struct RestoreRequest {
  catalog::TableIdent target;    // the cold table
  std::string into;              // "t" or "db.t"
  std::string timestamp_column;  // in both
  // from <= cursor < to; nullopt: no bound.
  std::optional<TimestampMicros> from, to;
  std::optional<int64_t> snapshot_id;      // else main's tip
  std::optional<TimestampMicros> as_of;    // the snapshot that main had at that time; not with snapshot_id
  std::vector<std::string> key;            // columns that tell rows apart; empty: as verify
  std::vector<std::string> excluded;       // columns to leave out
  std::map<std::string, std::string> set;  // column of the table -> ClickHouse SQL over the cold columns
  bool create = false;                     // the table, where it is not there
  bool force = false;                      // also rows that the table's TTL takes away at once
  bool dry_run = false;                    // compares and tells
  int64_t bucket_micros = 3'600 * kMicrosPerSecond;
  size_t cold_threads = 2;
  int64_t memory_bytes = 512 << 20;
  int64_t lease_micros = 600 * kMicrosPerSecond;  // for how long other restores into the table keep away; 0: no lease
  std::map<std::string, std::string> settings;    // of the queries and INSERTs
};

struct RestoreResult {
  std::string table, target;  // "db.table", "ns.table"
  std::optional<int64_t> snapshot_id;
  std::optional<TimestampMicros> from, to;
  int64_t rows_cold = 0;      // in the range
  int64_t rows_hot = 0;       // in the table's buckets before
  int64_t rows_inserted = 0;  // dry run: that would be
  int64_t rows_changed = 0;   // whose key the table has with other values: left alone
  int64_t buckets = 0, buckets_equal = 0;
  int64_t inserts = 0;
  std::vector<std::string> columns_set, columns_excluded;
  std::vector<std::string> notes;
  std::string created;  // the CREATE TABLE that was executed
  std::string insert;   // the INSERT's text
  double seconds = 0;
};

struct RestoreContext {
  source::Source& source;
  catalog::Catalog& catalog;
  storage::FileIO& file_io;
  journal::Journal* journal;  // null: none
  const Clock& clock;
  const StopToken& stop;
  ProgressSink& progress;
};

// kConflict where another restore holds the table's lease, or an INSERT of one still runs on the server: nothing was
// done. kUnknownOutcome where an INSERT's answer was lost. Whatever the error, rows that are in are in, and a repeat
// adds what is missing.
Result<RestoreResult> RestoreTable(const RestoreContext& context, const RestoreRequest& request);

}  // namespace calve::offload
