// The ClickHouse view that shows hot and cold rows as one table, split at the watermark.
//
// It is right for every watermark that the target has reached, also an old one, as long as hot still holds the rows
// after it: cold gives the rows up to the split, hot those behind it. So it need not move in the same instant as the
// watermark; it has to move before rows are dropped from hot.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "calve/offload/target.h"

namespace calve::offload {

struct ViewPlan {
  std::string database, name;
  TimestampMicros watermark = 0;
  std::string query;               // the SELECT
  std::vector<std::string> notes;  // columns that only one side has
  std::string CreateText() const;  // "CREATE OR REPLACE VIEW `db`.`v` AS SELECT …"
};

// Pure. `columns` are what the source offers (SelectColumns). Columns have the source's types, with
// SimpleAggregateFunction and AggregateFunction resolved; cold rows from before a column existed show its type's
// default, as ClickHouse itself does. kUnsupported where ClickHouse cannot read the target
// by a table function that calve knows; kConfig where no column is in both.
Result<ViewPlan> PlanView(const source::SourceTable& table, const Cursor& cursor,
                          const std::vector<SelectedColumn>& columns, const iceberg::TableMetadata& target,
                          TimestampMicros watermark, const std::string& name);

struct ViewRequest {
  std::string source_table;
  std::string query, where;  // as OffloadRequest's
  catalog::TableIdent target;
  std::string timestamp_column;
  ColumnOptions columns;
  std::string name;     // "v" or "db.v"; empty: the source table's with "_all" behind it
  bool create = false;  // else it is only planned
};
// Reads source and target; creates or replaces the view where asked to. kNotFound where nothing was offloaded yet.
Result<ViewPlan> MakeView(const OffloadContext& context, const ViewRequest& request);

}  // namespace calve::offload
