// Rows into a table's sort order, in memory. Spec: "Sorting".
#pragma once

#include <arrow/record_batch.h>

#include <memory>
#include <vector>

#include "calve/iceberg/table_metadata.h"

namespace calve::maintain {

// Whether `order` orders by columns as they are, of types that are compared here: whole numbers, dates, instants, text.
// Others have rules of their own (NaN, signs, scales) or transforms; rows are then left in the order in which they are.
bool CanSort(const iceberg::Schema& schema, const iceberg::SortOrder& order);

// All rows of the batches, which have the schema's columns, in that order; equal ones stay as they came. In batches of
// at most `batch_rows`. CanSort must say yes. Takes the memory of the batches once more.
Result<std::vector<std::shared_ptr<arrow::RecordBatch>>> SortRows(
    const iceberg::Schema& schema, const iceberg::SortOrder& order,
    const std::vector<std::shared_ptr<arrow::RecordBatch>>& batches, int64_t batch_rows = 65'536);

}  // namespace calve::maintain
