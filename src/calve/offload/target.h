// The target table of an offload: loaded or yet to be made, and what it needs before a window can be written.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "calve/offload/offload.h"

namespace calve::offload {

struct Target {
  std::optional<catalog::LoadedTable> table;  // nullopt: it does not exist yet
  catalog::CreateTableRequest create;         // where it does not
  std::vector<SelectedColumn> columns;        // to select
  iceberg::Schema schema;                     // after the changes
  bool schema_changed = false;
  std::optional<iceberg::PartitionSpec> new_spec;     // where the partitioning changes
  std::map<std::string, std::string> new_properties;  // that change
  iceberg::SortOrder order;                           // asked for; order_id 0: none
  std::vector<std::string> notes;
};

// What the source has to offer, whatever the target: types of expressions are asked of ClickHouse.
Result<std::vector<SelectedColumn>> SelectColumns(source::Source& source, const source::SourceTable& table,
                                                  const ColumnOptions& options);

// Reads only. kConfig/kUnsupported with the column named where source and target do not fit. `loaded` is what the
// catalog says of the target.
Result<Target> PlanTarget(const OffloadContext& context, const OffloadRequest& request,
                          const source::SourceTable& table, Result<catalog::LoadedTable> loaded);

// Makes the table, or changes its schema and sort order, as planned. Leaves `target.table` loaded. kConflict where
// somebody else changed it meanwhile: plan anew.
Status PrepareTarget(const OffloadContext& context, const OffloadRequest& request, Target& target);

// "a", "b desc": fields of the sort order and ClickHouse's ORDER BY text.
struct SortPlan {
  iceberg::SortOrder order;
  std::string order_by;  // "`a` ASC, `b` DESC"; empty: none
};
Result<SortPlan> PlanSort(const std::vector<std::string>& terms, const iceberg::Schema& schema);

}  // namespace calve::offload
