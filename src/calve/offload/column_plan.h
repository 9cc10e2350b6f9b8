// Which source column goes into which target column: a new table's schema, or the match with an existing one. Pure.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "calve/iceberg/table_update.h"
#include "calve/source/introspection.h"

namespace calve::offload {

enum class NewColumns { kAdd, kIgnore, kFail };

struct ColumnOptions {
  std::map<std::string, iceberg::Type> types;      // column -> Iceberg type asked for
  std::map<std::string, std::string> expressions;  // column -> ClickHouse expression
  std::vector<std::string> excluded;
  std::map<std::string, std::string> renamed;  // column -> its name in the target
  NewColumns new_columns = NewColumns::kAdd;
};

// A column as it will come out of the SELECT.
struct SelectedColumn {
  std::string name;        // of the result and of the target column
  std::string expression;  // ClickHouse SQL
  source::ClickHouseType type;
  iceberg::Type target_type;  // wanted for a new column; field ids inside are 0
  bool required = false;
  bool fixed_type = false;       // target_type was asked for with --type
  std::string comment = "";      // ClickHouse's, of a source column
  std::string source_name = "";  // of the source column that it is as it stands; empty: an expression
};

// The columns that ClickHouse's own SELECT * would give (no MATERIALIZED, ALIAS, EPHEMERAL), without the excluded ones,
// with expressions in place, and additional columns for expressions under new names. Columns whose type has to be asked
// of ClickHouse
// (`ask`, by index) have the type of their expression still open. kConfig for options that name no column of the table.
struct DraftColumns {
  std::vector<SelectedColumn> columns;
  std::vector<size_t> ask;
};
Result<DraftColumns> DraftSelect(const source::SourceTable& table, const ColumnOptions& options);
// Fills in what was asked: DESCRIBE's type of draft.columns[draft.ask[i]] is types[i].
Result<std::vector<SelectedColumn>> FinishSelect(DraftColumns draft, const std::vector<source::ClickHouseType>& types);

// The schema of a new table.
iceberg::Schema NewSchema(const std::vector<SelectedColumn>& columns);

// The match with an existing table: which columns to select (in which form), and how the schema has to change first
// (columns added, widened, made optional; empty where nothing has to). kConfig names the column that does not fit, both
// types and the way out.
struct TargetMatch {
  std::vector<SelectedColumn> columns;
  iceberg::Schema schema;  // as it will be
  bool schema_changed = false;
  std::vector<std::string> notes;  // what was changed or left out, for people
};
Result<TargetMatch> MatchTarget(const std::vector<SelectedColumn>& columns, const iceberg::TableMetadata& target,
                                const ColumnOptions& options);

// The updates and requirements that bring `target` to `schema`.
struct SchemaChange {
  std::vector<iceberg::TableRequirement> requirements;
  std::vector<iceberg::TableUpdate> updates;
};
SchemaChange ChangeSchema(const iceberg::TableMetadata& target, const iceberg::Schema& schema);

}  // namespace calve::offload
