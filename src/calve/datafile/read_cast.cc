#include "calve/datafile/read_cast.h"

#include <arrow/array.h>
#include <arrow/compute/api_vector.h>
#include <arrow/compute/cast.h>

namespace calve::datafile {
namespace {

using arrow::ArrayData;
using arrow::DataType;
using iceberg::TypeId;
using ArrowType = arrow::Type;

bool IsOneOf(ArrowType::type id, std::initializer_list<ArrowType::type> ids) {
  return std::find(ids.begin(), ids.end(), id) != ids.end();
}

Status NoPromotion(const CastSite& site, const DataType& source) {
  return MakeError(
      ErrorKind::kUnsupported,
      fmt::format("column {}: {} in the file does not become {}", site.path, source.ToString(), site.target.ToString()),
      "Rewrite the file with the engine that wrote it.");
}

// By Arrow's own cast, which fails where a value is lost.
Cast ByArrow(const CastSite& site, const std::shared_ptr<DataType>& type, const std::shared_ptr<DataType>& through) {
  return {type, [site, type, through](const ArrayDataPtr& array) -> Result<ArrayDataPtr> {
            auto cast = arrow::compute::Cast(*arrow::MakeArray(array), through);
            if (!cast.ok()) {
              return MakeError(ErrorKind::kValue, fmt::format("column {}: a value does not fit {}: {}", site.path,
                                                              site.target.ToString(), cast.status().message()));
            }
            return Relabel(type)((*cast)->data());
          }};
}

// Zones are labels: values are UTC in each of them, and writers differ in whether they say so.
Result<Cast> FromTimestamp(const CastSite& site, const std::shared_ptr<DataType>& type, const DataType& source) {
  if (type->id() != ArrowType::TIMESTAMP) return Cast{};
  const auto from = static_cast<const arrow::TimestampType&>(source).unit();
  const auto to = static_cast<const arrow::TimestampType&>(*type).unit();
  if (from == to) return Cast{type, Relabel(type)};
  Cast cast = ByArrow(site, type, arrow::timestamp(to));
  return Cast{type, [from, apply = std::move(cast.apply)](const ArrayDataPtr& array) -> Result<ArrayDataPtr> {
                ARROW_ASSIGN_OR_RAISE(const ArrayDataPtr plain, Relabel(arrow::timestamp(from))(array));
                return apply(plain);
              }};
}

Result<Cast> FromBytes(const CastSite& site, const std::shared_ptr<DataType>& type, const DataType& source) {
  const bool is_text = site.target.id == TypeId::kString;
  if (!is_text && site.target.id != TypeId::kBinary) return Cast{};
  if (IsOneOf(source.id(), {ArrowType::STRING, ArrowType::BINARY})) return Cast{type, Relabel(type)};
  // As the Arrow schema that PyIceberg leaves in the file wants them.
  const bool from_text = IsOneOf(source.id(), {ArrowType::LARGE_STRING, ArrowType::STRING_VIEW});
  return ByArrow(site, type, from_text ? arrow::utf8() : arrow::binary());
}

Result<Cast> FromDecimal(const CastSite& site, const DataType& source) {
  const auto& decimal = static_cast<const arrow::DecimalType&>(source);
  const bool promotes = site.target.id == TypeId::kDecimal && site.target.scale == decimal.scale() &&
                        site.target.precision >= decimal.precision();
  return promotes ? MakeDecimalCast(site, source) : Cast{};
}

Result<Cast> FromInteger(const CastSite& site, const DataType& source) {
  const auto id = source.id();
  const bool is_small = IsOneOf(id, {ArrowType::INT8, ArrowType::INT16, ArrowType::UINT8, ArrowType::UINT16});
  const bool promotes = (site.target.id == TypeId::kInt && (is_small || id == ArrowType::INT32)) ||
                        (site.target.id == TypeId::kLong &&
                         (is_small || IsOneOf(id, {ArrowType::INT32, ArrowType::UINT32, ArrowType::INT64})));
  return promotes ? MakeIntegerCast(site, source) : Cast{};
}

Result<Cast> FromPlain(const CastSite& site, const std::shared_ptr<DataType>& type, const DataType& source) {
  if (source.Equals(*type)) return Cast{type, Relabel(type)};
  switch (source.id()) {
    case ArrowType::INT8:
    case ArrowType::INT16:
    case ArrowType::INT32:
    case ArrowType::INT64:
    case ArrowType::UINT8:
    case ArrowType::UINT16:
    case ArrowType::UINT32:
      return FromInteger(site, source);
    case ArrowType::FLOAT:
      return MakeFloatCast(site, source);
    case ArrowType::DECIMAL32:
    case ArrowType::DECIMAL64:
    case ArrowType::DECIMAL128:
      return FromDecimal(site, source);
    case ArrowType::TIMESTAMP:
      return FromTimestamp(site, type, source);
    case ArrowType::STRING:
    case ArrowType::BINARY:
    case ArrowType::LARGE_STRING:
    case ArrowType::LARGE_BINARY:
    case ArrowType::STRING_VIEW:
    case ArrowType::BINARY_VIEW:
      return FromBytes(site, type, source);
    case ArrowType::EXTENSION: {
      // arrow.uuid, from the Arrow schema in the file.
      const auto& storage = static_cast<const arrow::ExtensionType&>(source).storage_type();
      return storage->Equals(*type) ? Cast{type, Relabel(type)} : Cast{};
    }
    default:
      return Cast{};
  }
}

Cast Decoded(const CastSite& site, const Cast& entries) {
  return {entries.type, [site, entries](const ArrayDataPtr& array) -> Result<ArrayDataPtr> {
            ARROW_RETURN_NOT_OK(CheckDictionary(site, *array));
            ARROW_ASSIGN_OR_RAISE(const ArrayDataPtr values, entries.apply(array->dictionary));
            ARROW_ASSIGN_OR_RAISE(const ArrayDataPtr indices, Relabel(arrow::int32())(array));
            indices->dictionary = nullptr;
            ARROW_ASSIGN_OR_RAISE(auto taken,
                                  arrow::compute::Take(*arrow::MakeArray(values), *arrow::MakeArray(indices)));
            return taken->data();
          }};
}

Result<Cast> FromDictionary(const CastSite& site, const std::shared_ptr<DataType>& type, const DataType& source,
                            bool keep_dictionary) {
  const auto& dictionary = static_cast<const arrow::DictionaryType&>(source);
  if (dictionary.index_type()->id() != ArrowType::INT32) return Cast{};
  ARROW_ASSIGN_OR_RAISE(const Cast entries, FromPlain(site, type, *dictionary.value_type()));
  if (!entries.apply) return Cast{};
  if (site.target.id != TypeId::kString || !site.top_level || !keep_dictionary) return Decoded(site, entries);
  auto kept = arrow::dictionary(arrow::int32(), arrow::utf8());
  return Cast{kept, [site, kept, entries](const ArrayDataPtr& array) -> Result<ArrayDataPtr> {
                ARROW_RETURN_NOT_OK(CheckDictionary(site, *array));
                ARROW_ASSIGN_OR_RAISE(ArrayDataPtr out, Relabel(kept)(array));
                ARROW_ASSIGN_OR_RAISE(out->dictionary, entries.apply(array->dictionary));
                return out;
              }};
}

}  // namespace

Result<Cast> MakeReadCast(const CastSite& site, const std::shared_ptr<DataType>& type,
                          const std::shared_ptr<DataType>& source, bool keep_dictionary) {
  const bool is_dictionary = source->id() == ArrowType::DICTIONARY;
  ARROW_ASSIGN_OR_RAISE(
      Cast cast, is_dictionary ? FromDictionary(site, type, *source, keep_dictionary) : FromPlain(site, type, *source));
  if (!cast.apply) return NoPromotion(site, *source);
  return cast;
}

Status CheckDictionary(const CastSite& site, const ArrayData& array) {
  const auto* indices = array.GetValues<int32_t>(1);
  const int64_t entries = array.dictionary->length;
  uint32_t highest = 0;  // a negative index is a very high one
  for (int64_t i = 0; i < array.length; ++i) highest = std::max(highest, static_cast<uint32_t>(indices[i]));
  if (highest < entries) return Status::OK();
  for (int64_t i = 0; i < array.length; ++i) {  // what stands under a null does not count
    if (static_cast<uint32_t>(indices[i]) < entries || !IsValidAt(array, i)) continue;
    return MakeError(ErrorKind::kCorrupt,
                     fmt::format("column {}: index {} into a dictionary of {} values", site.path, indices[i], entries));
  }
  return Status::OK();
}

}  // namespace calve::datafile
