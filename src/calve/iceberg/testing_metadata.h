// Table metadata as other writers leave it, for tests.
#pragma once

#include <string_view>

#include "calve/iceberg/table_metadata.h"

namespace calve::iceberg {

// v1 as Java wrote it before there were lists of schemas and specs.
extern const std::string_view kV1OldestJson;
// v1 with the lists beside the single schema and spec.
extern const std::string_view kV1Json;
// v2 as Java and PyIceberg write it: two snapshots, a tag, nested types, members that calve does not know.
extern const std::string_view kV2Json;
// v2 of a new table, as ClickHouse writes it: a ref "main" to snapshot -1.
extern const std::string_view kClickHouseNewJson;

// A v2 table with `count` snapshots on main, ids 1 to `count`, each with a summary of 20 entries.
TableMetadata MetadataWithSnapshots(int count);

}  // namespace calve::iceberg
