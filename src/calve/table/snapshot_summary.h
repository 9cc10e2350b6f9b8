// The summary of a snapshot. Spec: "Optional Snapshot Summary Fields".
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>

#include "calve/iceberg/data_file.h"
#include "calve/iceberg/table_metadata.h"

namespace calve::table {

// "operation" follows from what is added and removed: append, overwrite or delete. Totals go on from the parent's
// summary. One that the parent lacks is counted from `parent_manifests` (with their counts filled in) where they tell
// it, and left out where they do not: no total is better than a wrong one. `extra` never replaces what is computed.
// `removed` are the files of the entries that became DELETED. `parent` null: the table's first snapshot.
std::map<std::string, std::string> SnapshotSummary(const std::map<std::string, std::string>& extra,
                                                   std::span<const iceberg::DataFile> added,
                                                   std::span<const iceberg::DataFile> removed,
                                                   const iceberg::TableMetadata& base, const iceberg::Snapshot* parent,
                                                   std::span<const iceberg::ManifestFile> parent_manifests);

// Of a key whose value is a count; nullopt where it is not there, or is none.
std::optional<int64_t> SummaryCount(const iceberg::StringMap& summary, const char* key);

}  // namespace calve::table
