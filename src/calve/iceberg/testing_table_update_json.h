// The other direction of table_update_json.h, as a server reads it: for tests.
#pragma once

#include "calve/iceberg/json_reader.h"
#include "calve/iceberg/table_update.h"

namespace calve::iceberg {

// Strict: kUnsupported for a type or action that it does not know, kCorrupt for a member that is missing.
Result<TableRequirement> ReadTableRequirement(const JsonNode& node);
Result<TableUpdate> ReadTableUpdate(const JsonNode& node);

}  // namespace calve::iceberg
