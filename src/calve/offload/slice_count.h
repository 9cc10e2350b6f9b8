// Rows and fingerprints of slices, as ClickHouse counts them.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "calve/offload/slice_range.h"
#include "calve/offload/source_select.h"
#include "calve/offload/window.h"
#include "calve/source/source.h"

namespace calve::offload {

// Fills in `rows` and `fingerprint` (slice_fingerprint.h) of all slices, counted as the offload reads them: merged,
// without deleted rows, with the table's filter (RowsClause). Few queries, each for many slices. `source` is asked for
// all of them, whatever their `shard`. An empty `sequence_column` is none.
Status CountSlices(source::Source& source, const source::SourceTable& table, const Cursor& cursor,
                   const std::string& sequence_column, const std::map<std::string, std::string>& settings,
                   std::vector<SliceRange>& slices);

// The same where the source may be a cluster: each slice is counted on its shard, by one of the replicas that hold the
// window.
Status CountSlicesOnShards(source::Source& source, const source::SourceTable& table, const Cursor& cursor,
                           const std::string& sequence_column, const std::map<std::string, std::string>& settings,
                           const std::shared_ptr<const source::ShardServers>& replicas,
                           std::vector<SliceRange>& slices);

// The query of one slice's rows and fingerprint, two numbers as text, but for its condition.
SliceSelect CountSelect(const source::SourceTable& table, const Cursor& cursor, const std::string& sequence_column);
// Asks it.
Status CountSlice(source::Source& source, const SliceSelect& count, const source::QueryOptions& options,
                  SliceRange& slice);

}  // namespace calve::offload
