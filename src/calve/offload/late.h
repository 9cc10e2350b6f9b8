// Rows behind the watermark that are new or changed since their window was offloaded: found by the parts that hold
// them, told from the others by comparing buckets of hot and cold, and put into cold.
//
// Mode append: nothing is ever appended that cold may hold already. With a key, a hot row is late where cold has no row
// of its key. Without one, rows are compared as a multiset; a bucket in which cold holds rows that hot does not have is
// left alone and told, for a row that changed cannot be told from one that is missing.
// Mode upsert: a row that is new or changed replaces cold's rows of its key; what hot knows to be deleted goes; what it
// has forgotten stays.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "calve/offload/mode.h"
#include "calve/offload/offload.h"
#include "calve/offload/part_coverage.h"

namespace calve::offload {

// What earlier looks settled, as the journal has it: all rows behind the watermark in these parts are in cold, as of
// the commit of calve's named by `basis` (empty: there were none to look for yet).
struct SeenParts {
  std::map<std::string, PartCoverage> coverage;  // by LateShard::place
  std::string basis;
};
// Nothing seen where there is no journal, where it tells of another table, or where `basis` is not certainly on main: a
// rollback takes late rows away and leaves the watermark. `target` null: the table does not exist.
SeenParts ReadSeenParts(const OffloadContext& context, const OffloadRequest& request, const source::SourceTable& table,
                        const iceberg::TableMetadata* target);

// The parts that a shard had before the window was read.
struct LateShard {
  // Where their blocks were given their numbers: a table's path in ZooKeeper, or a server; empty: there is one only.
  std::string place;
  std::vector<PartBlocks> parts;
};

// What the cycle saw before it read its window.
struct LateLook {
  source::SourceTable table;
  Cursor cursor;
  std::optional<TimestampMicros> up_to;  // the watermark that its window began at: all behind it was offloaded before
  std::vector<LateShard> shards;         // one where the source is no cluster
  SeenParts seen;
  std::optional<TimestampMicros> loaded_from;  // rows up to here were in the target before calve came
  RowIdentity identity = {};
  // Of a cluster: the servers whose parts these are, and whose rows are compared.
  std::shared_ptr<const source::ShardServers> servers = nullptr;
};

// Looks at (up_to - lookback, up_to] in parts that hold blocks not seen before (the journal knows; without one, in all
// parts), and commits what is missing or changed in snapshots of kind "late" or "upsert" that leave the watermark where
// it is. Lost races
// and buckets that cannot be judged are in the notes, and looked at again next time. Errors: as Reconcile's; the next
// look finds out.
Result<LateRows> OffloadLateRows(const OffloadContext& context, const OffloadRequest& request, const LateLook& look);

// The buckets of (from, up_to] that have rows in parts not covered. Pure text of the query: one column, the bucket's
// start in seconds.
std::string LateBucketsQuery(const LateLook& look, const PartCoverage& seen, const Window& horizon,
                             int64_t bucket_micros);

}  // namespace calve::offload
