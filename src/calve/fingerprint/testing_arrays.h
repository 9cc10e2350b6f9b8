// Arrays and batches for tests of fingerprints.
#pragma once

#include <arrow/api.h>
#include <arrow/json/from_string.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "calve/fingerprint/column_hash.h"

namespace calve::fingerprint {

inline std::shared_ptr<arrow::Array> Values(const std::shared_ptr<arrow::DataType>& type, const std::string& json) {
  return arrow::json::ArrayFromJSONString(type, json).ValueOrDie();
}

inline std::shared_ptr<arrow::RecordBatch> Batch(const std::vector<std::shared_ptr<arrow::Array>>& columns) {
  arrow::FieldVector fields;
  for (size_t i = 0; i < columns.size(); ++i) {
    fields.push_back(arrow::field("c" + std::to_string(i), columns[i]->type()));
  }
  return arrow::RecordBatch::Make(arrow::schema(std::move(fields)), columns.at(0)->length(), columns);
}

// Both lanes of every value.
inline std::vector<std::pair<uint64_t, uint64_t>> HashesOf(const arrow::Array& array, uint64_t seed = 7) {
  const auto count = static_cast<size_t>(array.length());
  std::vector<uint64_t> low(count), high(count);
  ColumnHasher hasher(seed);
  Status hashed = hasher.Hash(*array.data(), 0, array.length(), low.data(), high.data());
  if (!hashed.ok()) throw std::runtime_error(hashed.ToString());
  std::vector<std::pair<uint64_t, uint64_t>> out;
  for (size_t i = 0; i < count; ++i) out.emplace_back(low[i], high[i]);
  return out;
}

}  // namespace calve::fingerprint
