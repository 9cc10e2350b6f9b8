// Statistics files of snapshots: set, kept as they are, and dropped with their snapshots. Spec: "Table Statistics".
#pragma once

#include <set>
#include <string>
#include <vector>

#include "calve/base/error.h"

namespace calve::iceberg {

// `extra_json` of a table's metadata without the entries of "statistics" and "partition-statistics" of these snapshots.
Result<std::string> WithoutStatistics(const std::string& extra_json, const std::set<int64_t>& snapshot_ids);

// With this entry of "statistics" in place of the snapshot's own. kCorrupt where either does not parse.
Result<std::string> WithStatistics(const std::string& extra_json, int64_t snapshot_id, const std::string& entry);
// Whether the snapshot has an entry of "statistics".
Result<bool> HasStatistics(const std::string& extra_json, int64_t snapshot_id);

// The locations of both kinds of statistics files in it. kCorrupt where an entry names none.
Result<std::vector<std::string>> StatisticsFiles(const std::string& extra_json);

}  // namespace calve::iceberg
