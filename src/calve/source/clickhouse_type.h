// ClickHouse's type names as a tree. Grammar: the text in a Native block's header and in system.columns.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "calve/base/error.h"

namespace calve::source {

enum class TypeKind {
  kBool,
  kInt8,
  kInt16,
  kInt32,
  kInt64,
  kInt128,
  kInt256,
  kUInt8,
  kUInt16,
  kUInt32,
  kUInt64,
  kUInt128,
  kUInt256,
  kFloat32,
  kFloat64,
  kBFloat16,
  kDecimal,
  kString,
  kFixedString,
  kUuid,
  kIpv4,
  kIpv6,
  kEnum8,
  kEnum16,
  kDate,
  kDate32,
  kDateTime,
  kDateTime64,
  kNullable,
  kLowCardinality,
  kArray,
  kMap,
  kTuple,
  kNested,
  kSimpleAggregateFunction,
  kAggregateFunction,
  kNothing,
  kJson,
  kObject,
  kDynamic,
  kVariant,
  kTime,
  kTime64,
  kInterval,
  kGeo,
  kOther,
};

struct ClickHouseType {
  TypeKind kind = TypeKind::kOther;
  std::string text;       // as ClickHouse wrote it
  int precision = 0;      // kDecimal: 1 to 76; kDateTime64, kTime64: 0 to 9
  int scale = 0;          // kDecimal
  int length = 0;         // kFixedString
  std::string time_zone;  // kDateTime, kDateTime64; empty: the server's
  std::string function;   // kSimpleAggregateFunction, kAggregateFunction
  std::vector<std::pair<std::string, int16_t>> enum_values;
  std::vector<ClickHouseType> children;
  std::vector<std::string> names;  // kTuple, kNested: element names; empty strings where there are none

  // This type without Nullable, LowCardinality and SimpleAggregateFunction around it.
  const ClickHouseType& Unwrapped() const;
  bool IsNullable() const;  // Nullable(T), LowCardinality(Nullable(T)), SimpleAggregateFunction of such
};

// kUnsupported with the text where it does not parse. Depth and size are limited.
Result<ClickHouseType> ParseClickHouseType(std::string_view text);

}  // namespace calve::source
