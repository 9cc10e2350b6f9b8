// Requirements and updates as a REST catalog takes them. Spec: REST catalog, "TableRequirement", "TableUpdate".
#pragma once

#include "calve/iceberg/json_writer.h"
#include "calve/iceberg/table_update.h"

namespace calve::iceberg {

// {"type": "assert-ref-snapshot-id", "ref": "main", "snapshot-id": null}
void WriteTableRequirement(const TableRequirement& requirement, JsonWriter& writer);
// {"action": "set-current-schema", "schema-id": -1}
void WriteTableUpdate(const TableUpdate& update, JsonWriter& writer);

}  // namespace calve::iceberg
