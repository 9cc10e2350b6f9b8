// Does the cold table hold what the hot one holds? By bucket, with the rows of both sides read in full.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "calve/fingerprint/row_difference.h"
#include "calve/offload/offload.h"

namespace calve::offload {

struct VerifyRequest {
  std::string source_table;  // empty with cold_only
  std::string query, where;  // as the offload was given them
  catalog::TableIdent target;
  std::string timestamp_column;         // may be empty with cold_only: then there are no buckets
  ColumnOptions columns;                // as the offload was given them
  std::optional<TimestampMicros> from;  // inclusive
  std::optional<TimestampMicros> to;    // exclusive; the watermark where that is earlier
  int64_t bucket_micros = 3'600 * kMicrosPerSecond;
  double sample = 1;  // share of the buckets
  uint64_t seed = 0;  // which ones
  // Columns that tell rows apart. Empty: the sorting key of engines that merge by it, else whole rows are compared.
  std::vector<std::string> key;
  int64_t example_rows = 0;  // of each kind and bucket
  bool strict = false;       // whatever cold has and hot has not is a difference
  bool cold_only = false;    // duplicates in cold; nothing is asked of a source
  bool whole_rows = false;   // read all columns, also where the key would do (cold_only)
  size_t cold_threads = 2;
  int64_t memory_bytes = 512 << 20;
  std::map<std::string, std::string> settings;  // of the reading queries
  // Of a cluster: read from these. Null: from those that hold all rows of the range (holding_replicas.h).
  std::shared_ptr<const source::ShardServers> replicas = nullptr;
};

struct VerifyContext {
  source::Source* source;  // null with cold_only
  catalog::Catalog& catalog;
  storage::FileIO& file_io;
  const Clock& clock;
  const StopToken& stop;
  ProgressSink& progress;
  // Of use for tables that calve never committed to: up to where the Spark job's row says that they were filled. Null:
  // none.
  journal::Journal* journal = nullptr;
};

struct ExampleRow {
  fingerprint::FindingKind kind = fingerprint::FindingKind::kMissing;
  std::vector<std::pair<std::string, std::string>> key;  // column, value; the whole row where there is no key
  struct Values {
    std::string column, hot, cold;
  };
  std::vector<Values> differs;  // of changed rows
};

struct BucketResult {
  TimestampMicros start = 0;
  int64_t rows_hot = 0, rows_cold = 0;
  int64_t missing = 0, extra = 0, changed = 0, duplicates = 0;
  int64_t defaulted = 0;             // rows that differ only in columns that came later and are null in cold
  bool extra_allowed = false;        // hot may have let them go: a TTL, calve retire, or nothing of the bucket is left
  std::vector<std::string> columns;  // that differ, as far as that is known
  std::vector<ExampleRow> examples;
  bool different = false;  // as the exit code sees it
};

struct VerifyResult {
  std::string table, target;  // "db.table" (empty with cold_only), "ns.table"
  std::optional<int64_t> snapshot_id;
  std::optional<TimestampMicros> watermark;
  std::optional<TimestampMicros> from, up_to;  // compared: from <= cursor <= up_to
  int64_t rows_hot = 0, rows_cold = 0;
  int64_t rows_null_cursor = 0;  // in hot: never offloaded
  int64_t buckets = 0;           // compared
  std::vector<std::string> columns, key;
  std::vector<std::string> columns_not_compared;
  std::vector<BucketResult> differences;  // also allowed ones, by time
  std::vector<std::string> notes;
  double seconds = 0;
  bool equal() const;
};

// Errors as those of the offload; what differs is in the result.
Result<VerifyResult> VerifyTable(const VerifyContext& context, const VerifyRequest& request);

}  // namespace calve::offload
