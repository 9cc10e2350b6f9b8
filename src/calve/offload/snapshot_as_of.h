// What a table was at a time.
#pragma once

#include "calve/base/time.h"
#include "calve/iceberg/table_metadata.h"

namespace calve::offload {

// The snapshot that was main's tip at that time. kNotFound where that is before the first one, or was expired. Pure.
Result<int64_t> SnapshotAsOf(const iceberg::TableMetadata& metadata, TimestampMicros time);

}  // namespace calve::offload
