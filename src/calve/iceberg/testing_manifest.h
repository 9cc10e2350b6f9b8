// A schema with every primitive type of v2, a spec with every transform, and data files with every metric, for tests.
// The golden manifests under tests/data/golden/pyiceberg/manifests hold the same values.
#pragma once

#include <string>
#include <vector>

#include "calve/iceberg/data_file.h"
#include "calve/iceberg/partition_spec.h"

namespace calve::iceberg {

Schema AllTypesSchema();
// Spec 3: each column as it is (1000 to 1014; the text column's field is named "te xt"), then the other transforms.
PartitionSpec AllTransformsSpec();
std::vector<Literal> FullPartition();
std::vector<Literal> NullPartition();
DataFile FileWithMetrics(const std::string& path, std::vector<Literal> partition, int64_t record_count);
// FullPartition ADDED in 77; NullPartition EXISTING since 11 (numbers 3 and 4) and DELETED in 77 (numbers 2 and 2).
std::vector<ManifestEntry> AllStatusEntries();

// Every field, sequence numbers included.
bool operator==(const DataFile& a, const DataFile& b);
bool operator==(const ManifestEntry& a, const ManifestEntry& b);
bool operator==(const FieldSummary& a, const FieldSummary& b);
bool operator==(const ManifestFile& a, const ManifestFile& b);

}  // namespace calve::iceberg
