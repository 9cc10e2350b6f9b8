#include "calve/datafile/cast.h"

namespace calve::datafile {
namespace {

std::string TimestampName(const arrow::TimestampType& type) {
  switch (type.unit()) {
    case arrow::TimeUnit::SECOND:
      return "DateTime";
    case arrow::TimeUnit::MILLI:
      return "DateTime64(3)";
    case arrow::TimeUnit::MICRO:
      return "DateTime64(6)";
    case arrow::TimeUnit::NANO:
      return "DateTime64(9)";
  }
  return "DateTime64";
}

}  // namespace

std::string SourceTypeName(const arrow::DataType& type) {
  switch (type.id()) {
    case arrow::Type::BOOL:
      return "Bool";
    case arrow::Type::INT8:
      return "Int8";
    case arrow::Type::INT16:
      return "Int16";
    case arrow::Type::INT32:
      return "Int32";
    case arrow::Type::INT64:
      return "Int64";
    case arrow::Type::UINT8:
      return "UInt8";
    case arrow::Type::UINT16:
      return "UInt16";
    case arrow::Type::UINT32:
      return "UInt32";
    case arrow::Type::UINT64:
      return "UInt64";
    case arrow::Type::FLOAT:
      return "Float32";
    case arrow::Type::DOUBLE:
      return "Float64";
    case arrow::Type::DECIMAL32:
    case arrow::Type::DECIMAL64:
    case arrow::Type::DECIMAL128: {
      const auto& decimal = static_cast<const arrow::DecimalType&>(type);
      return fmt::format("Decimal({}, {})", decimal.precision(), decimal.scale());
    }
    case arrow::Type::STRING:
    case arrow::Type::BINARY:
      return "String";
    case arrow::Type::FIXED_SIZE_BINARY:
      return fmt::format("FixedString({})", static_cast<const arrow::FixedSizeBinaryType&>(type).byte_width());
    case arrow::Type::DATE32:
      return "Date";
    case arrow::Type::TIMESTAMP:
      return TimestampName(static_cast<const arrow::TimestampType&>(type));
    case arrow::Type::DICTIONARY: {
      const auto& values = *static_cast<const arrow::DictionaryType&>(type).value_type();
      return fmt::format("LowCardinality({})", SourceTypeName(values));
    }
    case arrow::Type::LIST:
      return fmt::format("Array({})", SourceTypeName(*type.field(0)->type()));
    case arrow::Type::MAP: {
      const auto& map = static_cast<const arrow::MapType&>(type);
      return fmt::format("Map({}, {})", SourceTypeName(*map.key_type()), SourceTypeName(*map.item_type()));
    }
    case arrow::Type::STRUCT: {
      std::string names;
      for (const auto& field : type.fields()) {
        names += fmt::format("{}{} {}", names.empty() ? "" : ", ", field->name(), SourceTypeName(*field->type()));
      }
      return fmt::format("Tuple({})", names);
    }
    default:
      return type.ToString();
  }
}

}  // namespace calve::datafile
