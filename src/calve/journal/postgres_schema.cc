#include "calve/journal/postgres_schema.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

namespace calve::journal {
namespace {

using postgres::Connection;
using postgres::Rows;

struct Table {
  std::string_view name;
  std::string_view rights;  // what calve does with it
  std::string_view definition;
};

// As docs/journal.md shows them.
constexpr Table kTables[] = {
    {"offload_watermarks", "SELECT, INSERT, UPDATE", R"(
CREATE TABLE IF NOT EXISTS offload_watermarks(
  table_name TEXT PRIMARY KEY,
  last_offload_timestamp TIMESTAMPTZ NOT NULL,
  last_offload_max_sequence BIGINT NOT NULL,
  last_offload_row_count BIGINT,
  status TEXT NOT NULL CHECK (status IN ('initialized', 'running', 'success', 'failed')),
  last_successful_run TIMESTAMPTZ,
  last_run_duration_seconds INTEGER,
  failure_count INTEGER,
  last_error_message TEXT,
  created_at TIMESTAMPTZ,
  updated_at TIMESTAMPTZ))"},
    {"calve_runs", "SELECT, INSERT, UPDATE", R"(
CREATE TABLE IF NOT EXISTS calve_runs(
  ordinal BIGINT GENERATED ALWAYS AS IDENTITY,
  run_id TEXT PRIMARY KEY,
  table_name TEXT NOT NULL,
  source TEXT NOT NULL,
  layer TEXT NOT NULL,
  status TEXT NOT NULL,
  started_at TIMESTAMPTZ NOT NULL,
  finished_at TIMESTAMPTZ,
  window_from TIMESTAMPTZ,
  window_to TIMESTAMPTZ,
  row_count BIGINT NOT NULL,
  file_count BIGINT NOT NULL,
  byte_count BIGINT NOT NULL,
  snapshot_id BIGINT,
  commit_id TEXT NOT NULL,
  error_message TEXT NOT NULL,
  host TEXT NOT NULL,
  pid BIGINT NOT NULL);
CREATE INDEX IF NOT EXISTS calve_runs_by_start ON calve_runs(started_at);
CREATE INDEX IF NOT EXISTS calve_runs_by_table ON calve_runs(table_name, started_at))"},
    {"calve_leases", "SELECT, INSERT, UPDATE, DELETE", R"(
CREATE TABLE IF NOT EXISTS calve_leases(
  table_name TEXT PRIMARY KEY,
  holder TEXT NOT NULL,
  host TEXT NOT NULL,
  pid BIGINT NOT NULL,
  process_start BIGINT NOT NULL,
  since TIMESTAMPTZ NOT NULL,
  until TIMESTAMPTZ NOT NULL))"},
    {"calve_parts_seen", "SELECT, INSERT, UPDATE", R"(
CREATE TABLE IF NOT EXISTS calve_parts_seen(
  table_name TEXT PRIMARY KEY,
  source TEXT NOT NULL,
  parts TEXT NOT NULL,
  updated_at TIMESTAMPTZ NOT NULL))"},
    {"calve_schema_version", "SELECT", "CREATE TABLE IF NOT EXISTS calve_schema_version(version INTEGER NOT NULL)"},
};

// What is there, and what the user may do.
struct Look {
  std::vector<const Table*> missing;
  std::vector<std::pair<const Table*, std::string>> forbidden;  // with the name to grant rights on
  std::string lacking_columns;                                  // of offload_watermarks
  std::string user, schema;  // quoted; no schema: the search_path names none that is there
  bool may_create = false;
  int64_t version = 0;  // 0: none is told
};

// A statement of its own: to_regclass sees a table that was committed just now, where the statement's own snapshot does
// not see its columns.
constexpr const char* kLackingColumns = R"(
SELECT string_agg(c, ', ')
FROM unnest(ARRAY['table_name', 'last_offload_timestamp', 'last_offload_max_sequence', 'last_offload_row_count', 'status',
  'last_successful_run', 'last_run_duration_seconds', 'failure_count', 'last_error_message', 'created_at', 'updated_at']) c
WHERE NOT EXISTS (SELECT FROM pg_attribute
                  WHERE attrelid = to_regclass('offload_watermarks') AND attname = c AND NOT attisdropped))";

Result<Look> LookAround(Connection& connection) {
  // regclass: the first table of that name on the search_path.
  std::string tables;
  for (const Table& table : kTables) {
    tables += fmt::format("{}('{}', '{}')", tables.empty() ? "" : ", ", table.name, table.rights);
  }
  ARROW_ASSIGN_OR_RAISE(Rows rows, connection.Execute(fmt::format(R"(
SELECT t.name, to_regclass(t.name) IS NOT NULL, to_regclass(t.name)::text,
  coalesce((SELECT bool_and(CASE WHEN r = 'DELETE' THEN has_table_privilege(to_regclass(t.name), r)
                                 ELSE has_any_column_privilege(to_regclass(t.name), r) END)
            FROM unnest(string_to_array(t.rights, ', ')) r), true),
  quote_ident(current_user), quote_ident(current_schema()),
  coalesce(has_schema_privilege(current_schema(), 'CREATE'), false)
FROM (VALUES {}) t(name, rights))",
                                                                  tables)));
  Look look;
  for (int row = 0; row < rows.count(); ++row) {
    const Table* table = std::ranges::find(kTables, rows.Text(row, 0), &Table::name);
    if (!rows.Bool(row, 1)) {
      look.missing.push_back(table);
    } else if (!rows.Bool(row, 3)) {
      look.forbidden.emplace_back(table, rows.Text(row, 2));
    }
    look.user = rows.Text(row, 4);
    look.schema = rows.Text(row, 5);
    look.may_create = rows.Bool(row, 6);
  }
  auto is_watermarks = [](const Table* table) { return table->name == "offload_watermarks"; };
  if (std::ranges::none_of(look.missing, is_watermarks)) {
    ARROW_ASSIGN_OR_RAISE(Rows lacking, connection.Execute(kLackingColumns));
    look.lacking_columns = lacking.Text(0, 0);
  }
  auto is_version = [](const Table* table) { return table->name == "calve_schema_version"; };
  if (std::ranges::any_of(look.missing, is_version) || !look.forbidden.empty()) return look;
  ARROW_ASSIGN_OR_RAISE(Rows version, connection.Execute("SELECT max(version) FROM calve_schema_version"));
  ARROW_ASSIGN_OR_RAISE(look.version, version.Int(0, 0));
  return look;
}

// All that the operator has to grant, at once.
Status CheckRights(const Look& look) {
  if (look.schema.empty() && !look.missing.empty()) {
    return MakeError(ErrorKind::kConfig, "the search_path names no schema that is there and may be used",
                     "Make the schema, grant USAGE on it, or name another: ?options=-csearch_path%3Dpublic");
  }
  std::string lacking, grants;
  auto add = [&](const std::string& what, const std::string& right) {
    lacking += (lacking.empty() ? "" : ", ") + what;
    grants += fmt::format("{}GRANT {} TO {};", grants.empty() ? "" : " ", right, look.user);
  };
  if (!look.missing.empty() && !look.may_create) {
    add(fmt::format("the schema {} (to make {} there)", look.schema, look.missing.front()->name),
        fmt::format("USAGE, CREATE ON SCHEMA {}", look.schema));
  }
  for (const auto& [table, name] : look.forbidden) add(name, fmt::format("{} ON {}", table->rights, name));
  if (!grants.empty()) {
    return MakeError(ErrorKind::kConfig, fmt::format("the user {} lacks rights on {}", look.user, lacking),
                     "As the owner: " + grants);
  }
  if (look.lacking_columns.empty()) return Status::OK();
  return MakeError(ErrorKind::kConfig,
                   fmt::format("the table offload_watermarks lacks the columns {}", look.lacking_columns),
                   "Add them with ALTER TABLE (docs/journal.md shows the table), or name a schema of calve's own: "
                   "?options=-csearch_path%3Dcalve");
}

Status CheckVersion(const Look& look) {
  if (look.version <= kPostgresSchemaVersion) return Status::OK();
  return MakeError(ErrorKind::kConfig,
                   fmt::format("calve's tables there have schema version {}, this calve knows {}", look.version,
                               kPostgresSchemaVersion),
                   "Update calve, or drop the tables calve_*: they are made anew.");
}

}  // namespace

Status PrepareJournal(Connection& connection) {
  ARROW_ASSIGN_OR_RAISE(Look look, LookAround(connection));
  ARROW_RETURN_NOT_OK(CheckRights(look));
  if (!look.missing.empty() || look.version < 1) {
    // Of processes that find them missing at once, one makes them. The number is calve's own, of no meaning.
    ARROW_RETURN_NOT_OK(connection.Execute("SELECT pg_advisory_xact_lock(7166310293614129)").status());
    ARROW_ASSIGN_OR_RAISE(look, LookAround(connection));
    // IF NOT EXISTS asks for the right to create also where there is nothing to create.
    for (const Table* table : look.missing) {
      ARROW_RETURN_NOT_OK(connection.Execute(std::string(table->definition)).status());
    }
    if (look.version < 1) {
      ARROW_RETURN_NOT_OK(
          connection
              .Execute(fmt::format("INSERT INTO calve_schema_version(version) VALUES ({})", kPostgresSchemaVersion))
              .status());
    }
    ARROW_ASSIGN_OR_RAISE(look, LookAround(connection));
  }
  ARROW_RETURN_NOT_OK(CheckVersion(look));
  return CheckRights(look);
}

}  // namespace calve::journal
