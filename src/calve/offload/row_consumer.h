// Where the rows of one side of a comparison go.
#pragma once

#include <arrow/record_batch.h>

#include <functional>
#include <memory>

#include "calve/base/error.h"

namespace calve::offload {

// Called from several threads at once, but from one at a time for each lane, 0 to the reader's number of threads. What
// is not OK ends the reading and is returned by it.
using RowConsumer = std::function<Status(size_t lane, const std::shared_ptr<arrow::RecordBatch>& batch)>;

}  // namespace calve::offload
