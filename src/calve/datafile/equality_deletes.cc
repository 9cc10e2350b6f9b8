#include "calve/datafile/equality_deletes.h"

#include <cmath>
#include <limits>
#include <set>
#include <utility>

#include "calve/datafile/column_projection.h"
#include "calve/datafile/parquet_rows.h"

namespace calve::datafile {
namespace {

using iceberg::NestedField;

constexpr int64_t kBatchRows = 65'536;

template <typename T>
void AppendBytes(T value, std::string& key) {
  key.append(reinterpret_cast<const char*>(&value), sizeof value);
}

template <typename T>
void AppendFloating(T value, std::string& key) {
  AppendBytes(std::isnan(value) ? std::numeric_limits<T>::quiet_NaN() : value, key);
}

void AppendText(std::string_view text, std::string& key) {
  AppendBytes(static_cast<uint32_t>(text.size()), key);
  key += text;
}

}  // namespace

void AppendKey(const arrow::Array& array, int64_t row, std::string& key) {
  key += array.IsNull(row) ? '\0' : '\1';
  if (array.IsNull(row)) return;
  switch (array.type_id()) {
    case arrow::Type::DICTIONARY: {
      const auto& dictionary = static_cast<const arrow::DictionaryArray&>(array);
      const auto& entries = static_cast<const arrow::BinaryArray&>(*dictionary.dictionary());
      return AppendText(entries.GetView(dictionary.GetValueIndex(row)), key);
    }
    case arrow::Type::STRING:
    case arrow::Type::BINARY:
      return AppendText(static_cast<const arrow::BinaryArray&>(array).GetView(row), key);
    case arrow::Type::BOOL:
      return AppendBytes(static_cast<const arrow::BooleanArray&>(array).Value(row), key);
    case arrow::Type::FLOAT:
      return AppendFloating(static_cast<const arrow::FloatArray&>(array).Value(row), key);
    case arrow::Type::DOUBLE:
      return AppendFloating(static_cast<const arrow::DoubleArray&>(array).Value(row), key);
    default: {
      const auto width = static_cast<size_t>(static_cast<const arrow::FixedWidthType&>(*array.type()).bit_width() / 8);
      const auto* values = array.data()->buffers[1]->data_as<char>();
      key.append(values + static_cast<size_t>(array.offset() + row) * width, width);
    }
  }
}

Result<EqualityDeletes> EqualityDeletes::Make(std::vector<int> equality_ids, const iceberg::Schema& table_schema) {
  if (equality_ids.empty()) return MakeError(ErrorKind::kCorrupt, "an equality delete file without equality_ids");
  EqualityDeletes deletes;
  for (const int id : equality_ids) {
    const auto field = std::find_if(table_schema.fields.begin(), table_schema.fields.end(),
                                    [&](const NestedField& candidate) { return candidate.id == id; });
    if (field == table_schema.fields.end() || !field->type.is_primitive()) {
      return MakeError(
          ErrorKind::kUnsupported,
          fmt::format("equality deletes by field {}, which is no column of primitive type of the table's", id),
          "Compact the table with the engine that wrote them.");
    }
    deletes.columns_.push_back(*field);
    deletes.columns_.back().required = false;
  }
  return deletes;
}

Status EqualityDeletes::Add(storage::FileIO& file_io, const iceberg::DataFile& deletes) {
  ARROW_ASSIGN_OR_RAISE(const auto rows, ParquetRows::Open(file_io, deletes, /*dictionaries=*/true, kBatchRows));
  return GuardParquet(deletes.file_path, [&]() -> Status {
    const ColumnProjection projection(rows->manifest(), /*keep_dictionaries=*/true);
    std::vector<ProjectedColumn> columns;
    std::set<int> fields, leaves;
    for (const NestedField& field : columns_) {
      ARROW_ASSIGN_OR_RAISE(ProjectedColumn column, projection.Project(field));
      if (column.file_field < 0) {
        return MakeError(ErrorKind::kCorrupt, fmt::format("column {}: deleted by, but not in the file", field.name));
      }
      fields.insert(column.file_field);
      leaves.insert(column.leaf);
      columns.push_back(std::move(column));
    }
    const std::vector<int> file_fields(fields.begin(), fields.end());
    std::vector<int> groups;
    for (int group = 0; group < rows->metadata().num_row_groups(); ++group) groups.push_back(group);
    rows->Select(std::move(groups), {leaves.begin(), leaves.end()});
    std::string key;
    for (;;) {
      ARROW_ASSIGN_OR_RAISE(const auto batch, rows->Next());
      if (!batch) return Status::OK();
      arrow::ArrayVector arrays;
      for (const ProjectedColumn& column : columns) {
        ARROW_ASSIGN_OR_RAISE(auto array, ProjectArray(column, file_fields, *batch));
        arrays.push_back(std::move(array));
      }
      for (int64_t row = 0; row < batch->num_rows(); ++row) {
        key.clear();
        for (const auto& array : arrays) AppendKey(*array, row, key);
        keys_.insert(key);
      }
    }
  });
}

void EqualityDeletes::Apply(const arrow::ArrayVector& keys, std::vector<uint8_t>& mask) const {
  std::string key;
  for (size_t row = 0; row < mask.size(); ++row) {
    if (mask[row] == 0) continue;
    key.clear();
    for (const auto& array : keys) AppendKey(*array, static_cast<int64_t>(row), key);
    if (keys_.contains(key)) mask[row] = 0;
  }
}

}  // namespace calve::datafile
