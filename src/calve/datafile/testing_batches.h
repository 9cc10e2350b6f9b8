// Batches for tests: from JSON, or random over every Iceberg type.
#pragma once

#include <arrow/api.h>
#include <arrow/json/from_string.h>

#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "calve/iceberg/partition_spec.h"

namespace calve::datafile {

template <typename T>
T Must(Result<T> result) {
  if (!result.ok()) throw std::runtime_error(result.status().ToString() + " | " + RemedyOf(result.status()));
  return *std::move(result);
}
inline void Must(const Status& status) {
  if (!status.ok()) throw std::runtime_error(status.ToString());
}

inline std::shared_ptr<arrow::Array> FromJson(const std::shared_ptr<arrow::DataType>& type, const std::string& json) {
  return Must(arrow::json::ArrayFromJSONString(type, json));
}

// One column of the name "c".
std::shared_ptr<arrow::RecordBatch> OneColumn(const std::shared_ptr<arrow::Array>& array, bool nullable = true);

iceberg::NestedField Optional(int id, std::string name, iceberg::Type type);
iceberg::NestedField Required(int id, std::string name, iceberg::Type type);

// A column of every primitive type, and of lists, maps and structs of them; optional and required ones.
iceberg::Schema EveryType();

// Random values (nulls, NaN, zeros of both signs, extremes, text beyond ASCII) under ToArrowSchema(schema). Columns
// draw from few or from many distinct values.
std::shared_ptr<arrow::RecordBatch> RandomBatch(const iceberg::Schema& schema, int64_t rows, std::mt19937_64& random);

// A row's value as a literal; the array is of ToArrowSchema's type or a dictionary of text.
iceberg::Literal LiteralOf(const iceberg::Type& type, const arrow::Array& array, int64_t row);

}  // namespace calve::datafile
