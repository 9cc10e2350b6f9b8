#include <arrow/util/decimal.h>

#include <limits>

#include "calve/datafile/cast.h"

namespace calve::datafile {
namespace {

using arrow::ArrayData;
using arrow::Decimal128;
using iceberg::TypeId;

template <typename From, typename To, typename Convert>
Result<ArrayDataPtr> Map(const ArrayData& array, std::shared_ptr<arrow::DataType> type, Convert convert) {
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> values, arrow::AllocateBuffer(array.length * sizeof(To)));
  const From* in = array.GetValues<From>(1);
  To* out = reinterpret_cast<To*>(values->mutable_data());
  for (int64_t i = 0; i < array.length; ++i) out[i] = convert(in[i]);
  return WithValues(array, std::move(type), std::move(values));
}

template <typename From, typename To>
Cast Widen(std::shared_ptr<arrow::DataType> type) {
  if constexpr (std::is_same_v<From, To>) return {type, Relabel(type)};
  return {type, [type](const ArrayDataPtr& array) {
            return Map<From, To>(*array, type, [](From value) { return static_cast<To>(value); });
          }};
}

// The same bits under another type, once no value has the highest one set.
Cast CheckedUInt64ToLong(const CastSite& site) {
  return {arrow::int64(), [site](const ArrayDataPtr& array) -> Result<ArrayDataPtr> {
            const auto* values = array->GetValues<uint64_t>(1);
            uint64_t all = 0;
            for (int64_t i = 0; i < array->length; ++i) all |= values[i];
            if (all >> 63 != 0) {
              for (int64_t i = 0; i < array->length; ++i) {  // what stands under a NULL does not count
                if (values[i] >> 63 == 0 || !IsValidAt(*array, i)) continue;
                const std::string column = site.path.substr(0, site.path.find('.'));
                return ValueDoesNotFit(
                    site, std::to_string(values[i]),
                    fmt::format("Map the column to decimal(20,0): --type {}=decimal(20,0).", column));
              }
            }
            return Relabel(arrow::int64())(array);
          }};
}

Decimal128 ToDecimal128(uint64_t value) { return Decimal128(0, value); }
template <typename T>
Decimal128 ToDecimal128(T value) {
  return Decimal128(static_cast<int64_t>(value));
}
Decimal128 ToDecimal128(const Decimal128& value) { return value; }

template <typename To>
To Narrow(const Decimal128& value) {
  if constexpr (std::is_same_v<To, Decimal128>) {
    return value;
  } else {
    return static_cast<To>(value.low_bits());
  }
}

// Unscaled values by 10^scale_up; `checked`: each must have at most the target's digits.
template <typename From, typename To>
Cast Scale(const CastSite& site, std::shared_ptr<arrow::DataType> type, int from_scale, bool checked) {
  const Decimal128 factor = Decimal128::GetScaleMultiplier(site.target.scale - from_scale);
  const bool scales = site.target.scale > from_scale;
  const Decimal128 limit = Decimal128::GetMaxValue(site.target.precision) / factor;
  return {type, [=](const ArrayDataPtr& array) -> Result<ArrayDataPtr> {
            if (checked) {
              const From* values = array->GetValues<From>(1);
              for (int64_t i = 0; i < array->length; ++i) {
                const Decimal128 value = ToDecimal128(values[i]);
                if ((value <= limit && value >= -limit) || !IsValidAt(*array, i)) continue;
                return ValueDoesNotFit(site, value.ToString(from_scale),
                                       "Widen the target's decimal, or give the column another type.");
              }
            }
            if (!scales) return Map<From, To>(*array, type, [](From v) { return Narrow<To>(ToDecimal128(v)); });
            return Map<From, To>(*array, type, [&](From v) { return Narrow<To>(ToDecimal128(v) * factor); });
          }};
}

template <typename From>
Cast ScaleTo(const CastSite& site, std::shared_ptr<arrow::DataType> type, int from_scale, bool checked) {
  if (site.target.precision <= 9) return Scale<From, int32_t>(site, std::move(type), from_scale, checked);
  if (site.target.precision <= 18) return Scale<From, int64_t>(site, std::move(type), from_scale, checked);
  return Scale<From, Decimal128>(site, std::move(type), from_scale, checked);
}

// Digits that hold every value of T.
template <typename T>
constexpr int kDigits = std::numeric_limits<T>::digits10 + 1;

template <typename From>
Result<Cast> FromInteger(const CastSite& site, const arrow::DataType& source) {
  constexpr bool kFitsInt = kDigits<From> <= 5 || std::is_same_v<From, int32_t>;
  ARROW_ASSIGN_OR_RAISE(auto type, ArrowTypeOf(site));
  switch (site.target.id) {
    case TypeId::kInt:
      if (kFitsInt) return Widen<From, int32_t>(type);
      return Cast{};
    case TypeId::kLong:
      if constexpr (std::is_same_v<From, uint64_t>) return CheckedUInt64ToLong(site);
      return Widen<From, int64_t>(type);
    case TypeId::kDouble:
      if (sizeof(From) <= 4) return Widen<From, double>(type);
      return Cast{};
    case TypeId::kDecimal:
      if (site.target.precision - site.target.scale >= kDigits<From>) return ScaleTo<From>(site, type, 0, false);
      return CannotCast(site, source,
                        fmt::format("A decimal with {} digits before the point is needed.", kDigits<From>));
    default:
      return Cast{};
  }
}

}  // namespace

Result<Cast> MakeIntegerCast(const CastSite& site, const arrow::DataType& source) {
  switch (source.id()) {
    case arrow::Type::INT8:
      return FromInteger<int8_t>(site, source);
    case arrow::Type::INT16:
      return FromInteger<int16_t>(site, source);
    case arrow::Type::INT32:
      return FromInteger<int32_t>(site, source);
    case arrow::Type::INT64:
      return FromInteger<int64_t>(site, source);
    case arrow::Type::UINT8:
      return FromInteger<uint8_t>(site, source);
    case arrow::Type::UINT16:
      return FromInteger<uint16_t>(site, source);
    case arrow::Type::UINT32:
      return FromInteger<uint32_t>(site, source);
    case arrow::Type::UINT64:
      return FromInteger<uint64_t>(site, source);
    default:
      return Cast{};
  }
}

Result<Cast> MakeDecimalCast(const CastSite& site, const arrow::DataType& source) {
  if (site.target.id != TypeId::kDecimal) return Cast{};
  const auto& decimal = static_cast<const arrow::DecimalType&>(source);
  const int precision = decimal.precision();
  const int scale = decimal.scale();
  if (site.target.precision < precision || site.target.scale < scale) return Cast{};
  ARROW_ASSIGN_OR_RAISE(auto type, ArrowTypeOf(site));
  const bool checked = site.target.precision - site.target.scale < precision - scale;
  if (site.target.scale == scale && type->id() == source.id()) return Cast{type, Relabel(type)};
  switch (source.id()) {
    case arrow::Type::DECIMAL32:
      return ScaleTo<int32_t>(site, type, scale, checked);
    case arrow::Type::DECIMAL64:
      return ScaleTo<int64_t>(site, type, scale, checked);
    default:
      return ScaleTo<Decimal128>(site, type, scale, checked);
  }
}

Result<Cast> MakeFloatCast(const CastSite& site, const arrow::DataType& source) {
  const bool is_float = source.id() == arrow::Type::FLOAT;
  if (site.target.id == TypeId::kFloat && is_float) return Widen<float, float>(arrow::float32());
  if (site.target.id != TypeId::kDouble) return Cast{};
  return is_float ? Widen<float, double>(arrow::float64()) : Widen<double, double>(arrow::float64());
}

}  // namespace calve::datafile
