// The columns along which a window is cut, and their values as text: how ClickHouse is asked for them, how they stand
// in a condition, and in which order it has them. Pure.
#pragma once

#include <compare>
#include <optional>
#include <string>
#include <vector>

#include "calve/offload/window.h"

namespace calve::offload {

struct KeyColumn {
  std::string name;
  source::ClickHouseType type;  // without Nullable and LowCardinality around it
  bool nullable = false;        // rows of the window may have NULL
};

// NULL is less than all values.
struct KeyValue {
  bool null = false;
  std::string text;  // as KeyText has it
  // The value is longer: its beginning stands where it would, and nothing is known of what follows it in the key.
  bool is_beginning = false;

  friend bool operator==(const KeyValue&, const KeyValue&) = default;
};

// The leading columns of the sorting key, as long as they are plain ones of types with an order that ClickHouse and
// calve share, up to the cursor; then the cursor. Of an engine that merges rows of one key, the cursor only where it is
// part of the key: rows that are merged are in one slice. May be empty.
std::vector<KeyColumn> CutColumns(const source::SourceTable& table, const Cursor& cursor);

// An expression over `_t` for a value's text: "-" for NULL, else "+" and the text.
std::string KeyText(const KeyColumn& column);
// Of its answer. kCorrupt where it is none.
Result<KeyValue> ParseKeyText(const KeyColumn& column, const std::string& answer);

// "_t.`symbol`"
std::string KeyName(const KeyColumn& column);
// A constant of the column's type, in ASCII whatever the value is. The value is not NULL.
std::string KeyLiteral(const KeyColumn& column, const KeyValue& value);

// ClickHouse's order; unordered for texts that are none of this column.
std::partial_ordering CompareKeys(const KeyColumn& column, const KeyValue& a, const KeyValue& b);

}  // namespace calve::offload
