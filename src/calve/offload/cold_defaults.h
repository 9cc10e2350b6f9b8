// What stands for a cold NULL in a column that ClickHouse does not have as Nullable: rows from before the column was
// added. The same value is compared and inserted.
#pragma once

#include <arrow/record_batch.h>

#include <map>
#include <memory>
#include <string>

#include "calve/iceberg/type.h"
#include "calve/offload/column_plan.h"

namespace calve::offload {

struct ColdDefault {
  std::string column;
  std::shared_ptr<arrow::Array> value;  // one row, in the cold column's type; null: there is none
  std::string why_none;                 // of the table's DEFAULT
};

class ColdDefaults {
 public:
  void Add(int field_id, ColdDefault value) { values_.emplace(field_id, std::move(value)); }
  bool empty() const { return values_.empty(); }

  // `schema` is that of the batch. kValue where a NULL has nothing that stands for it. Thread-safe.
  Result<std::shared_ptr<arrow::RecordBatch>> Apply(const std::shared_ptr<arrow::RecordBatch>& batch,
                                                    const iceberg::Schema& schema) const;

 private:
  std::map<int, ColdDefault> values_;  // by field id
};

// Whether a DEFAULT expression is a literal: the same value at any time, whatever the row holds. Pure.
bool IsLiteral(const std::string& expression);

}  // namespace calve::offload
