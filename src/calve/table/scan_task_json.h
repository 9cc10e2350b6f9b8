// Files to read as JSON, as a REST catalog's scan planning answers: every delete file once, and by its number where it
// applies. Spec: REST catalog, "ScanTasks".
#pragma once

#include <vector>

#include "calve/iceberg/data_file_json.h"
#include "calve/table/scan.h"

namespace calve::table {

// Of every spec of the table's that calve knows all transforms of.
iceberg::PartitionTypes PartitionTypesOf(const iceberg::TableMetadata& metadata);

// Into an open object: "delete-files": […], "file-scan-tasks": [{"data-file": …, "delete-file-references": [0]}].
Status WriteScanTasks(const std::vector<ScanTask>& tasks, const iceberg::PartitionTypes& types,
                      iceberg::JsonWriter& writer);
// Without sequence numbers, which choosing the delete files takes and reading does not.
Result<std::vector<ScanTask>> ReadScanTasks(const iceberg::JsonNode& node, const iceberg::PartitionTypes& types);

}  // namespace calve::table
