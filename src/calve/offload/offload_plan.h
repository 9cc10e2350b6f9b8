// A window's plan, frozen: what its slices are made from, by whom and wherever, and what the commit holds them against.
// JSON: docs/slices.md. Pure.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "calve/catalog/catalog.h"
#include "calve/iceberg/data_file_json.h"
#include "calve/offload/commit_window.h"
#include "calve/offload/planned_source.h"
#include "calve/offload/slice.h"
#include "calve/offload/slice_range.h"
#include "calve/offload/source_select.h"
#include "calve/offload/watermark.h"

namespace calve::offload {

struct OffloadPlan {
  std::string id;  // the commit's, a UUID
  catalog::TableIdent target;
  std::string table_uuid;                       // the target's
  int64_t planned_sequence_number = 0;          // of its newest snapshot; the commit's is greater
  std::string data_location;                    // of the target
  std::string source_table, layer;              // "db.table"
  std::string journal_name;                     // of the source table, in offload_watermarks
  CommitStamp stamp;                            // without rows and sequence: they are the slices'
  std::optional<TimestampMicros> planned_from;  // the target's watermark
  std::optional<TimestampMicros> start_from;    // kStartProperty, of a first window
  bool adopts_row = false;
  Window window;
  TimestampMicros made_at = 0;
  // Of the columns of the result; every row's cursor is checked to lie in the window. Empty: left out, or changed.
  std::string cursor_column, sequence_column;
  // Of what fingerprints are made, beside the cursor; empty: of the cursor alone. nullopt: there are none (0), because
  // the cursor is not among the columns as it stands.
  std::optional<std::string> fingerprint_sequence;
  SliceSelect select;                             // of a slice's rows
  SliceSelect count;                              // of how many they are, and their fingerprint: two numbers as text
  std::map<std::string, std::string> settings;    // of the queries
  std::map<std::string, std::string> properties;  // of the target: how files are written
  iceberg::Schema schema;
  iceberg::PartitionSpec spec;
  int sort_order_id = 0;
  source::ShardServers replicas;   // of a cluster: those that hold all rows of the window; empty: one server
  source::TableIdentity identity;  // of the source table
  int64_t slice_count = 0, rows = 0;
  uint64_t fingerprint = 0;
};

// The options of a slice's queries: its shard, and the replicas that may be asked.
source::QueryOptions QueryOf(const OffloadPlan& plan, const SliceRange& slice);

// Where and how a slice is written.
struct SliceWriting {
  std::string data_location;
  std::string file_prefix;
  int64_t memory_bytes = 0;  // of blocks in flight and open files together
  bool fingerprints = false;
};
// `slices` are read into one set of files, by one query each.
Result<SlicePlan> WritingOf(const OffloadPlan& plan, const std::vector<SliceRange>& slices,
                            const SliceWriting& writing);

// `table` is the target as it is loaded now; `files` are of all slices.
WindowCommit CommitOf(const OffloadPlan& plan, catalog::LoadedTable table, std::vector<iceberg::DataFile> files,
                      int64_t rows, std::optional<int64_t> max_sequence);

// Of the files of its slices.
Result<iceberg::PartitionTypes> PartitionTypesOf(const OffloadPlan& plan);

// "0123456789abcdef"
std::string FingerprintText(uint64_t fingerprint);
Result<uint64_t> ReadFingerprint(const iceberg::JsonNode& node, std::string_view name);

std::string WriteOffloadPlan(const OffloadPlan& plan);
// kCorrupt with the path of the offending member; kConfig where it was written by a later calve in another form.
Result<OffloadPlan> ReadOffloadPlan(std::string_view text);

}  // namespace calve::offload
