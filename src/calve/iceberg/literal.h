// Single values: partition values, bounds, defaults. Spec: appendix D, "Single-value serialization".
#pragma once

#include <arrow/util/decimal.h>

#include <string>
#include <string_view>
#include <variant>

#include "calve/iceberg/type.h"

namespace calve::iceberg {

// monostate is null. int32_t: int, date (days). int64_t: long, time, timestamps (their own unit).
// std::string: string (UTF-8), binary, fixed, uuid (16 bytes, big-endian). Decimal128: the unscaled value.
using Literal = std::variant<std::monostate, bool, int32_t, int64_t, float, double, arrow::Decimal128, std::string>;

inline bool IsNull(const Literal& value) { return std::holds_alternative<std::monostate>(value); }

// Orders two non-null values of one type as Iceberg's comparators do: unsigned bytes for string, binary, fixed and
// uuid; -0.0 before 0.0; NaN last.
int CompareLiterals(const Literal& a, const Literal& b);

// Appendix D, binary. The literal must be non-null and hold the alternative that `type` asks for.
std::string ToBytes(const Type& type, const Literal& value);
// kCorrupt where the length does not fit the type. An int bound may be read as long, a float bound as double
// (promotion).
Result<Literal> FromBytes(const Type& type, std::string_view bytes);

// For people and for partition paths: "2024-08-09", "true", "1.50", hex for binary; "null".
std::string ToHumanString(const Type& type, const Literal& value);

// Truncation of bounds (spec: column metrics): by code points for strings, by bytes for binary. The upper bound is
// rounded up; nullopt where no upper bound of that length exists. Lengths: code points or bytes.
std::string TruncateLower(const Type& type, const std::string& value, int length);
std::optional<std::string> TruncateUpper(const Type& type, const std::string& value, int length);

}  // namespace calve::iceberg
