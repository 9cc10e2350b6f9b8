// Iceberg schemas as Arrow schemas, for the Parquet writer. Spec: appendix A, "Parquet".
#pragma once

#include <arrow/type.h>

#include <memory>

#include "calve/iceberg/type.h"

namespace calve::datafile {

// Field ids as PARQUET:field_id metadata on every field of every depth. decimal: decimal32/64/128 by precision; uuid:
// fixed_size_binary(16) (written with Parquet's UUID annotation); timestamptz: timestamp(us, UTC); string: utf8.
Result<std::shared_ptr<arrow::Schema>> ToArrowSchema(const iceberg::Schema& schema);

}  // namespace calve::datafile
