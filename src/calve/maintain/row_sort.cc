#include "calve/maintain/row_sort.h"

#include <arrow/array/array_binary.h>
#include <arrow/array/array_primitive.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/compute/api_vector.h>
#include <arrow/table.h>

#include <algorithm>
#include <numeric>

namespace calve::maintain {
namespace {

using iceberg::TypeId;

std::optional<size_t> ColumnOf(const iceberg::Schema& schema, int field_id) {
  for (size_t i = 0; i < schema.fields.size(); ++i) {
    if (schema.fields[i].id == field_id) return i;
  }
  return std::nullopt;
}

bool IsCompared(TypeId type) {
  switch (type) {
    case TypeId::kInt:
    case TypeId::kLong:
    case TypeId::kDate:
    case TypeId::kTimestamp:
    case TypeId::kTimestampTz:
    case TypeId::kString:
      return true;
    default:
      return false;
  }
}

// One column of the order: -1, 0 or 1 for two rows.
class SortKey {
 public:
  SortKey(const std::shared_ptr<arrow::Array>& column, const iceberg::SortField& field)
      : column_(column), ascending_(field.ascending), nulls_first_(field.nulls_first) {}

  int Compare(int64_t a, int64_t b) const {
    const bool null_a = column_->IsNull(a), null_b = column_->IsNull(b);
    if (null_a || null_b) return null_a == null_b ? 0 : (null_a == nulls_first_ ? -1 : 1);
    const int compared = CompareValues(a, b);
    return ascending_ ? compared : -compared;
  }

 private:
  template <typename Array>
  int Compared(int64_t a, int64_t b) const {
    const auto& values = static_cast<const Array&>(*column_);
    const auto x = values.GetView(a), y = values.GetView(b);
    return x < y ? -1 : y < x ? 1 : 0;
  }
  int CompareValues(int64_t a, int64_t b) const {
    switch (column_->type_id()) {
      case arrow::Type::STRING:
        return Compared<arrow::StringArray>(a, b);
      case arrow::Type::INT32:
        return Compared<arrow::Int32Array>(a, b);
      case arrow::Type::DATE32:
        return Compared<arrow::Date32Array>(a, b);
      case arrow::Type::TIMESTAMP:
        return Compared<arrow::TimestampArray>(a, b);
      default:
        return Compared<arrow::Int64Array>(a, b);
    }
  }

  std::shared_ptr<arrow::Array> column_;
  bool ascending_, nulls_first_;
};

}  // namespace

bool CanSort(const iceberg::Schema& schema, const iceberg::SortOrder& order) {
  return !order.fields.empty() &&
         std::all_of(order.fields.begin(), order.fields.end(), [&](const iceberg::SortField& field) {
           const auto column = ColumnOf(schema, field.source_id);
           return column && field.transform.kind == iceberg::TransformKind::kIdentity &&
                  IsCompared(schema.fields[*column].type.id);
         });
}

Result<std::vector<std::shared_ptr<arrow::RecordBatch>>> SortRows(
    const iceberg::Schema& schema, const iceberg::SortOrder& order,
    const std::vector<std::shared_ptr<arrow::RecordBatch>>& batches, int64_t batch_rows) {
  std::vector<std::shared_ptr<arrow::RecordBatch>> sorted;
  if (batches.empty()) return sorted;
  ARROW_ASSIGN_OR_RAISE(const auto all, arrow::ConcatenateRecordBatches(batches));
  std::vector<SortKey> keys;
  for (const iceberg::SortField& field : order.fields) {
    const auto column = ColumnOf(schema, field.source_id);
    if (!column) return MakeError(ErrorKind::kFailed, "a sort order by a column that is not there");
    keys.emplace_back(all->column(static_cast<int>(*column)), field);
  }
  std::vector<int64_t> rows(static_cast<size_t>(all->num_rows()));
  std::iota(rows.begin(), rows.end(), 0);
  std::stable_sort(rows.begin(), rows.end(), [&](int64_t a, int64_t b) {
    for (const SortKey& key : keys) {
      if (const int compared = key.Compare(a, b); compared != 0) return compared < 0;
    }
    return false;
  });
  for (int64_t offset = 0; offset < all->num_rows(); offset += batch_rows) {
    const int64_t length = std::min(batch_rows, all->num_rows() - offset);
    arrow::Int64Builder builder;
    ARROW_RETURN_NOT_OK(builder.AppendValues(rows.data() + offset, length));
    ARROW_ASSIGN_OR_RAISE(const auto indexes, builder.Finish());
    ARROW_ASSIGN_OR_RAISE(const auto taken, arrow::compute::Take(all, indexes));
    sorted.push_back(taken.record_batch());
  }
  return sorted;
}

}  // namespace calve::maintain
