// The rows of some data files into new ones, with proof that they are the same.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "calve/base/stop.h"
#include "calve/iceberg/table_metadata.h"
#include "calve/maintain/compaction.h"
#include "calve/storage/file_io.h"

namespace calve::maintain {

struct RewrittenGroup {
  std::vector<iceberg::DataFile> removed, added;
  int64_t rows = 0;          // in both
  int64_t rows_deleted = 0;  // of the files read, taken out by delete files
};

// Reads the group's files, as any reader sees their rows, and writes them under the table's current schema and default
// spec: in the table's sort order where CanSort and a quarter of the memory holds them all, else in the order they had.
// Then what was written is read back: count and content of the rows must be what was read (kCorrupt otherwise), and
// their partition the group's (kFailed). Where this fails the files begun are deleted. Memory is bounded by a row group
// of the files read, and `memory_bytes` for sorting and for the files being written. `on_read` is told of each batch of
// rows that was read.
Result<RewrittenGroup> RewriteGroup(storage::FileIO& file_io, const iceberg::TableMetadata& metadata,
                                    const CompactionGroup& group, const std::string& file_prefix, int64_t memory_bytes,
                                    const StopToken& stop, const std::function<void(int64_t rows)>& on_read = nullptr);

}  // namespace calve::maintain
