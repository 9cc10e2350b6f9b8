// From an Iceberg column to a ClickHouse one: how its values travel, and the SQL that makes ClickHouse's values of them
// again. Pure. docs/restore.md, "Types".
#pragma once

#include <string>

#include "calve/iceberg/type.h"
#include "calve/source/clickhouse_type.h"

namespace calve::offload {

// The ClickHouse type of the column of an ArrowStream that holds a cold column, `optional` ones as Nullable where
// ClickHouse has that. Tuples are unnamed: their elements go by place. kUnsupported, with `column` in the message, for
// time.
Result<std::string> TravelTypeText(const std::string& column, const iceberg::Type& cold, bool optional);

// SQL that converts `value`, an expression of that type, to `hot`. Values that `hot` cannot hold as they are fail the
// statement with the column's name (throwIf): a value that changes on its way would be taken for missing, and inserted
// again, by the next run. kUnsupported for aggregation states and other types of which no cold value can be turned
// back.
Result<std::string> ConversionTo(const std::string& column, const iceberg::Type& cold, bool optional,
                                 const source::ClickHouseType& hot, const std::string& value);

// The type of a column of a table made for the rows: what ClickHouse has for an Iceberg type.
Result<std::string> HotTypeText(const std::string& column, const iceberg::Type& cold, bool optional);

// CREATE TABLE <table> (…) ENGINE = MergeTree ORDER BY <cursor>, with line breaks.
Result<std::string> CreateTableText(const std::string& database, const std::string& name, const iceberg::Schema& cold,
                                    const std::string& cursor);

}  // namespace calve::offload
