// How many rows hot has by bucket of the cursor.
#pragma once

#include <map>
#include <string>

#include "calve/offload/window.h"
#include "calve/source/source.h"

namespace calve::offload {

// Rows of the window by the start of their bucket, as they lie there: not merged. Buckets without rows are not in it.
Result<std::map<TimestampMicros, int64_t>> CountByBucket(source::Source& source, const source::SourceTable& table,
                                                         const Cursor& cursor, const Window& window,
                                                         int64_t bucket_micros,
                                                         const std::map<std::string, std::string>& settings);

}  // namespace calve::offload
