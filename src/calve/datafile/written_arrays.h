// What the writer looks at, and changes, in arrays before Parquet gets them.
#pragma once

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <map>
#include <memory>
#include <vector>

#include "calve/iceberg/type.h"

namespace calve::datafile {

// `schema` (see ToArrowSchema) with uuid fields as arrow.uuid, which Parquet's writer annotates as UUID.
Result<std::shared_ptr<arrow::Schema>> ToWrittenSchema(const iceberg::Schema& schema);

// The batch under `written`: dictionaries are decoded (each block of a source brings its own, and Parquet's writer
// gives up its dictionary at the first that differs; it numbers decoded values again, cheaply), uuids relabelled.
Result<std::shared_ptr<arrow::RecordBatch>> ToWrittenBatch(const arrow::RecordBatch& batch,
                                                           const std::shared_ptr<arrow::Schema>& written);

// The leaf arrays of a batch in column order, without nesting; what lies under nulls may or may not be among the
// values.
std::vector<std::shared_ptr<arrow::Array>> LeafArrays(const arrow::RecordBatch& batch);

// Few enough distinct values among the first ones that a dictionary pays: Parquet's writer is slow where it does not.
bool DictionaryPays(const arrow::Array& leaf);

// Bytes of a value of the widest leaf, on average.
int64_t WidestValueBytes(const std::vector<std::shared_ptr<arrow::Array>>& leaves);

// Adds the NaN values of float and double fields, by field id; every such field gets an entry.
Status CountNans(const iceberg::Schema& schema, const arrow::RecordBatch& batch, std::map<int, int64_t>& counts);

}  // namespace calve::datafile
