// A window cut into slices of even size, from what ClickHouse knows of its parts and of the primary key.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "calve/offload/mode.h"
#include "calve/offload/slice_range.h"
#include "calve/offload/window.h"
#include "calve/source/source.h"

namespace calve::offload {

struct CutOptions {
  int64_t rows_max = 0;                         // of a slice; 0: the window is one slice
  std::optional<int> shard;                     // handed on to each slice
  std::map<std::string, std::string> settings;  // of the queries
};

// Conditions of which each row of the window fulfils exactly one, whatever is inserted meanwhile. At least one, also
// where the window has no rows. `rows` and `fingerprint` are not filled in: CountSlices.
Result<std::vector<SliceRange>> CutSlices(source::Source& source, const source::SourceTable& table,
                                          const Cursor& cursor, const RowIdentity& identity, const Window& window,
                                          const CutOptions& options);

// The same of each shard of a cluster by itself, in turns; `replicas` hold the window. Of any other source: CutSlices.
Result<std::vector<SliceRange>> CutOnShards(source::Source& source, const source::SourceTable& table,
                                            const Cursor& cursor, const RowIdentity& identity, const Window& window,
                                            const std::shared_ptr<const source::ShardServers>& replicas,
                                            const CutOptions& options);

}  // namespace calve::offload
