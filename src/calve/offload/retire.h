// Drops from ClickHouse what is older than a limit and verified in cold in the same run, part by part.
//
// A part is dropped by its name, which stands for its content: rows that are inserted, merged or changed meanwhile are
// in parts of other names, and stay. Of engines that merge rows by their key, a part goes only if no other part holds
// any of its keys: else an older version would come back, or a part of a sum be left.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "calve/offload/offload.h"
#include "calve/offload/retire_plan.h"

namespace calve::offload {

struct RetireRequest {
  std::string source_table;
  catalog::TableIdent target;
  std::string timestamp_column;
  ColumnOptions columns;  // as the offload was given them
  // One of the two. Never beyond the watermark.
  std::optional<int64_t> older_than_micros;  // by the server's clock
  std::optional<TimestampMicros> before;     // exclusive
  std::vector<std::string> key;              // as verify's
  std::string view;       // of calve's over both tables: its split is moved before anything is dropped; empty: none
  bool strict = false;    // rows that differ only in columns that came later stay
  bool optimize = false;  // merge partitions whose parts share keys first (OPTIMIZE … FINAL)
  bool dry_run = false;   // verify, and change nothing
  int64_t lease_micros = 600 * kMicrosPerSecond;  // 0: no lease
  int64_t memory_bytes = 512 << 20;
  std::map<std::string, std::string> settings;  // of the reading queries
};

struct RetireResult {
  std::string table, target;  // "db.table", "ns.table"
  TimestampMicros limit = 0;  // rows up to here were looked at
  std::optional<TimestampMicros> watermark;
  std::optional<TimestampMicros> retired_to;  // the table's property, after this run
  std::optional<int64_t> snapshot_id;         // verified
  int64_t rows_verified = 0;                  // of hot, in the range of the parts
  std::vector<HotPart> dropped;               // dry run: that would be
  std::vector<KeptPart> kept;
  int64_t newer = 0;                      // parts all of whose rows are after the limit
  std::vector<BucketResult> differences;  // buckets with hot rows that cold does not hold
  std::vector<std::string> notes;
  double seconds = 0;
  std::optional<journal::Lease> held_by;  // another calve works on the table: nothing was done
  Status ended_early;                     // after `dropped`, with parts left; OK else

  bool different() const { return !differences.empty(); }
  int64_t rows() const;
  int64_t bytes() const;
};

// Errors: nothing was dropped. Once something was, an error is in the result.
Result<RetireResult> RetireTable(const OffloadContext& context, const RetireRequest& request);

}  // namespace calve::offload
