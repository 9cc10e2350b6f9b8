#include "calve/offload/cold_defaults.h"

#include <arrow/array/builder_primitive.h>
#include <arrow/array/concatenate.h>
#include <arrow/compute/api_vector.h>

#include <algorithm>
#include <cctype>

namespace calve::offload {
namespace {

Result<std::shared_ptr<arrow::Array>> Plain(const std::shared_ptr<arrow::Array>& array) {
  if (array->type_id() != arrow::Type::DICTIONARY) return array;
  const auto& encoded = static_cast<const arrow::DictionaryArray&>(*array);
  return arrow::compute::Take(*encoded.dictionary(), *encoded.indices());
}

Result<std::shared_ptr<arrow::Array>> Filled(const std::shared_ptr<arrow::Array>& array, const arrow::Array& value) {
  ARROW_ASSIGN_OR_RAISE(auto plain, Plain(array));
  ARROW_ASSIGN_OR_RAISE(auto last, Plain(arrow::MakeArray(value.data())));
  const int64_t rows = plain->length();
  ARROW_ASSIGN_OR_RAISE(auto all, arrow::Concatenate({plain, last}));
  arrow::Int64Builder indexes;
  ARROW_RETURN_NOT_OK(indexes.Reserve(rows));
  for (int64_t i = 0; i < rows; ++i) indexes.UnsafeAppend(plain->IsNull(i) ? rows : i);
  ARROW_ASSIGN_OR_RAISE(auto take, indexes.Finish());
  return arrow::compute::Take(*all, *take);
}

}  // namespace

Result<std::shared_ptr<arrow::RecordBatch>> ColdDefaults::Apply(const std::shared_ptr<arrow::RecordBatch>& batch,
                                                                const iceberg::Schema& schema) const {
  auto filled = batch;
  for (int i = 0; !values_.empty() && i < batch->num_columns(); ++i) {
    const auto& column = batch->column(i);
    if (column->null_count() == 0) continue;
    auto found = values_.find(schema.fields[static_cast<size_t>(i)].id);
    if (found == values_.end()) continue;
    const ColdDefault& value = found->second;
    if (!value.value) {
      return MakeError(
          ErrorKind::kValue,
          fmt::format("column {}: cold rows have NULL, the table's column is not Nullable and its {} is not "
                      "a constant",
                      value.column, value.why_none),
          fmt::format("Say what NULL becomes with --set '{0}=ifNull({0}, …)', or leave the column out with "
                      "--exclude {0}.",
                      value.column));
    }
    ARROW_ASSIGN_OR_RAISE(auto array, Filled(column, *value.value));
    auto field = batch->schema()->field(i)->WithType(array->type());
    ARROW_ASSIGN_OR_RAISE(filled, filled->SetColumn(i, field, array));
  }
  return filled;
}

bool IsLiteral(const std::string& expression) {
  const std::string& e = expression;
  if (e.empty()) return false;
  if (e == "true" || e == "false" || e == "[]" || e == "map()") return true;
  if (e.front() == '\'') {
    for (size_t i = 1; i < e.size(); ++i) {
      if (e[i] == '\\')
        ++i;
      else if (e[i] == '\'')
        return i + 1 == e.size();
    }
    return false;
  }
  const size_t digits = e.front() == '-' ? 1 : 0;
  return e.size() > digits && std::all_of(e.begin() + static_cast<std::ptrdiff_t>(digits), e.end(),
                                          [](unsigned char c) { return std::isdigit(c) || c == '.'; });
}

}  // namespace calve::offload
