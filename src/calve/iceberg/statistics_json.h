// Statistics files of snapshots: kept as they are, and dropped with their snapshots. Spec: "Table Statistics".
#pragma once

#include <set>
#include <string>
#include <vector>

#include "calve/base/error.h"

namespace calve::iceberg {

// `extra_json` of a table's metadata without the entries of "statistics" and "partition-statistics" of these snapshots.
Result<std::string> WithoutStatistics(const std::string& extra_json, const std::set<int64_t>& snapshot_ids);

// The locations of both kinds of statistics files in it. kCorrupt where an entry names none.
Result<std::vector<std::string>> StatisticsFiles(const std::string& extra_json);

}  // namespace calve::iceberg
