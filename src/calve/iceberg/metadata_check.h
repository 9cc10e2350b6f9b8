// What schemas, specs and orders must fulfil before calve writes them. Each returns kFailed with what is wrong.
#pragma once

#include "calve/iceberg/table_metadata.h"

namespace calve::iceberg {

// Ids unique and positive, names unique on each level, no type that v2 lacks, identifier fields as the spec allows
// them.
Status CheckSchema(const Schema& schema);
// Every field id that an older schema has keeps a type that the old one promotes to; other ids are above
// `last_column_id`.
Status CheckEvolution(const std::vector<Schema>& older, int last_column_id, const Schema& schema);
// Sources exist and are not inside lists or maps, transforms apply and are known, no name twice or taken by another
// column, no transform twice.
Status CheckPartitionSpec(const PartitionSpec& spec, const Schema& schema);
// Only that `schema` has what the fields are made from: for specs that others made, which may bend the other rules.
Status CheckSources(const PartitionSpec& spec, const Schema& schema);
Status CheckSortOrder(const SortOrder& order, const Schema& schema);

}  // namespace calve::iceberg
