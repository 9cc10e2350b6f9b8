// Which Iceberg type a ClickHouse type becomes in a new column, and what the SELECT has to do for it. Pure.
// docs/types.md is this file in words.
#pragma once

#include <optional>
#include <string>

#include "calve/iceberg/type.h"
#include "calve/source/clickhouse_type.h"

namespace calve::offload {

struct MappedColumn {
  iceberg::Type type;      // field ids inside are 0: given later
  bool required = false;   // false for Nullable
  std::string expression;  // of the SELECT; the quoted column itself where nothing has to be done
  bool retyped = false;    // the expression's own type is not the column's: ask ClickHouse for it
};

// `wanted` is the type that the operator asked for (--type), if any. kUnsupported, with column, type and the way out,
// for what has no faithful type.
Result<MappedColumn> MapColumn(const std::string& column, const source::ClickHouseType& type,
                               const std::optional<iceberg::Type>& wanted);

// A SELECT expression that turns the column into text without loss (UUID, Enum, IPv4/6, Bool): for existing string
// targets. nullopt where the text would not be faithful or nobody would expect it.
std::optional<std::string> TextExpression(const std::string& column, const source::ClickHouseType& type);

}  // namespace calve::offload
