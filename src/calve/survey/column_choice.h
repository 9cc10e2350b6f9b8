// Columns that cannot be offloaded as they are, and what becomes of them. Pure.
#pragma once

#include <string>
#include <vector>

#include "calve/survey/facts.h"

namespace calve::survey {

struct ColumnChoice {
  enum class Remedy { kExclude, kExpression, kType };
  std::string column;
  Remedy remedy = Remedy::kExclude;
  std::string text;  // the expression or the Iceberg type
  std::string why;
};
std::vector<ColumnChoice> ChooseColumns(const source::SourceTable& table, const std::string& cursor);

// Columns of UInt64 that become long: values above 2^63-1 stop the table.
std::vector<std::string> CheckedColumns(const source::SourceTable& table);

}  // namespace calve::survey
