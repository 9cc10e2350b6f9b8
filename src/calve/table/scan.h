// What a snapshot holds.
#pragma once

#include <optional>
#include <vector>

#include "calve/iceberg/data_file.h"
#include "calve/iceberg/row_range.h"
#include "calve/iceberg/table_metadata.h"
#include "calve/storage/file_io.h"

namespace calve::table {

// The live data files of a snapshot (ADDED and EXISTING entries), in the order of its manifests. `delete_files`, where
// given, gets the number of live delete files: rows in the files returned may be deleted by them. kNotFound for an
// unknown snapshot.
Result<std::vector<iceberg::DataFile>> ListDataFiles(storage::FileIO& file_io, const iceberg::TableMetadata& metadata,
                                                     int64_t snapshot_id, int64_t* delete_files = nullptr);

// A data file to read, and the delete files that apply to its rows (spec: "Scan Planning": by partition and sequence
// number; position deletes also by referenced_data_file and by their bounds of file_path).
struct ScanTask {
  iceberg::DataFile file;
  int64_t sequence_number = 0;  // data sequence number
  std::vector<iceberg::DataFile> deletes;
};

// The files of a snapshot that may hold rows of the range (all, where none is given), in the order of its manifests;
// pruned by manifest summaries, partition values and column bounds. What has neither is never pruned, and values before
// 1970 may be one unit higher than they should be. Delete files are never pruned by the range. kNotFound for an unknown
// snapshot.
Result<std::vector<ScanTask>> PlanScan(storage::FileIO& file_io, const iceberg::TableMetadata& metadata,
                                       int64_t snapshot_id, const std::optional<iceberg::RowRange>& range);

}  // namespace calve::table
