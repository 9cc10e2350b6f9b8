// What a snapshot holds.
#pragma once

#include <vector>

#include "calve/iceberg/data_file.h"
#include "calve/iceberg/table_metadata.h"
#include "calve/storage/file_io.h"

namespace calve::table {

// The live data files of a snapshot (ADDED and EXISTING entries), in the order of its manifests. `delete_files`, where
// given, gets the number of live delete files: rows in the files returned may be deleted by them. kNotFound for an
// unknown snapshot.
Result<std::vector<iceberg::DataFile>> ListDataFiles(storage::FileIO& file_io, const iceberg::TableMetadata& metadata,
                                                     int64_t snapshot_id, int64_t* delete_files = nullptr);

}  // namespace calve::table
