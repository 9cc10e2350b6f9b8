#include "calve/maintain/column_sketch.h"

#include <fmt/format.h>

#include <algorithm>

namespace calve::maintain {
namespace {

template <typename ArrayType>
void AddFixedWidth(const arrow::Array& array, ThetaSketch& sketch) {
  const auto& typed = static_cast<const ArrayType&>(array);
  using Value = typename ArrayType::value_type;
  for (int64_t i = 0; i < typed.length(); ++i) {
    if (typed.IsNull(i)) continue;
    const Value value = typed.Value(i);  // little-endian, as the spec wants it
    sketch.Update({reinterpret_cast<const char*>(&value), sizeof(value)});
  }
}

// Spec: 0x00 or 0x01.
void AddBooleans(const arrow::Array& array, ThetaSketch& sketch) {
  const auto& typed = static_cast<const arrow::BooleanArray&>(array);
  for (int64_t i = 0; i < typed.length(); ++i) {
    if (typed.IsNull(i)) continue;
    const char value = typed.Value(i) ? 1 : 0;
    sketch.Update({&value, 1});
  }
}

// Spec: the unscaled value, two's complement, big-endian, in as few bytes as hold it.
void AddDecimals(const arrow::Array& array, ThetaSketch& sketch) {
  const auto& typed = static_cast<const arrow::FixedSizeBinaryArray&>(array);  // of 4, 8 or 16 bytes, little-endian
  const int last = typed.byte_width() - 1;
  for (int64_t i = 0; i < typed.length(); ++i) {
    if (typed.IsNull(i)) continue;
    uint8_t big_endian[16];
    std::reverse_copy(typed.GetValue(i), typed.GetValue(i) + last + 1, big_endian);
    const uint8_t sign = big_endian[0] & 0x80 ? 0xff : 0x00;
    int first = 0;
    while (first < last && big_endian[first] == sign && ((big_endian[first + 1] ^ sign) & 0x80) == 0) ++first;
    sketch.Update({reinterpret_cast<const char*>(big_endian) + first, static_cast<size_t>(last + 1 - first)});
  }
}

template <typename ArrayType>
void AddViews(const arrow::Array& array, ThetaSketch& sketch) {
  const auto& typed = static_cast<const ArrayType&>(array);
  for (int64_t i = 0; i < typed.length(); ++i) {
    if (!typed.IsNull(i)) sketch.Update(typed.GetView(i));
  }
}

}  // namespace

bool CanSketch(const iceberg::Type& type) { return type.is_primitive(); }

Status ColumnSketch::Add(const std::shared_ptr<arrow::Array>& array) {
  switch (array->type_id()) {
    case arrow::Type::BOOL:
      AddBooleans(*array, sketch_);
      break;
    case arrow::Type::INT32:
      AddFixedWidth<arrow::Int32Array>(*array, sketch_);
      break;
    case arrow::Type::DATE32:
      AddFixedWidth<arrow::Date32Array>(*array, sketch_);
      break;
    case arrow::Type::INT64:
      AddFixedWidth<arrow::Int64Array>(*array, sketch_);
      break;
    case arrow::Type::TIME64:
      AddFixedWidth<arrow::Time64Array>(*array, sketch_);
      break;
    case arrow::Type::TIMESTAMP:
      AddFixedWidth<arrow::TimestampArray>(*array, sketch_);
      break;
    case arrow::Type::FLOAT:
      AddFixedWidth<arrow::FloatArray>(*array, sketch_);
      break;
    case arrow::Type::DOUBLE:
      AddFixedWidth<arrow::DoubleArray>(*array, sketch_);
      break;
    case arrow::Type::DECIMAL32:
    case arrow::Type::DECIMAL64:
    case arrow::Type::DECIMAL128:
      AddDecimals(*array, sketch_);
      break;
    case arrow::Type::STRING:
    case arrow::Type::BINARY:
      AddViews<arrow::BinaryArray>(*array, sketch_);
      break;
    case arrow::Type::FIXED_SIZE_BINARY:
      AddViews<arrow::FixedSizeBinaryArray>(*array, sketch_);
      break;
    case arrow::Type::DICTIONARY: {
      const auto& dictionary = static_cast<const arrow::DictionaryArray&>(*array).dictionary();
      if (dictionary == dictionary_) break;
      dictionary_ = dictionary;
      return Add(dictionary);
    }
    default:
      return MakeError(ErrorKind::kUnsupported,
                       fmt::format("distinct values of {} are not counted", array->type()->ToString()));
  }
  return Status::OK();
}

}  // namespace calve::maintain
