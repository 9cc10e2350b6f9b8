#include "calve/journal/sqlite_schema.h"

#include <fmt/format.h>

#include <optional>

namespace calve::journal {
namespace {

constexpr const char* kTableStatements = R"(
CREATE TABLE IF NOT EXISTS offload_watermarks(
  table_name TEXT PRIMARY KEY,
  last_offload_timestamp TEXT NOT NULL,
  last_offload_max_sequence BIGINT NOT NULL,
  last_offload_row_count BIGINT,
  status TEXT NOT NULL CHECK (status IN ('initialized', 'running', 'success', 'failed')),
  last_successful_run TEXT,
  last_run_duration_seconds INTEGER,
  failure_count INTEGER,
  last_error_message TEXT,
  created_at TEXT,
  updated_at TEXT);
CREATE TABLE IF NOT EXISTS calve_runs(
  run_id TEXT PRIMARY KEY,
  table_name TEXT NOT NULL,
  source TEXT NOT NULL,
  layer TEXT NOT NULL,
  status TEXT NOT NULL,
  started_at TEXT NOT NULL,
  finished_at TEXT,
  window_from TEXT,
  window_to TEXT,
  row_count BIGINT NOT NULL,
  file_count BIGINT NOT NULL,
  byte_count BIGINT NOT NULL,
  snapshot_id BIGINT,
  commit_id TEXT NOT NULL,
  error_message TEXT NOT NULL,
  host TEXT NOT NULL,
  pid BIGINT NOT NULL);
CREATE INDEX IF NOT EXISTS calve_runs_by_start ON calve_runs(started_at);
CREATE INDEX IF NOT EXISTS calve_runs_by_table ON calve_runs(table_name, started_at);
CREATE TABLE IF NOT EXISTS calve_leases(
  table_name TEXT PRIMARY KEY,
  holder TEXT NOT NULL,
  host TEXT NOT NULL,
  pid BIGINT NOT NULL,
  process_start BIGINT NOT NULL,
  since TEXT NOT NULL,
  until TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS calve_parts_seen(
  table_name TEXT PRIMARY KEY,
  source TEXT NOT NULL,
  parts TEXT NOT NULL,
  updated_at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS calve_schema_version(version INTEGER NOT NULL);
)";

Result<std::optional<int64_t>> SchemaVersion(sqlite::Database& database) {
  ARROW_ASSIGN_OR_RAISE(
      sqlite::Statement tables,
      database.Prepare("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'calve_schema_version'"));
  ARROW_ASSIGN_OR_RAISE(bool there, tables.Step());
  if (!there) return std::nullopt;
  ARROW_ASSIGN_OR_RAISE(sqlite::Statement select, database.Prepare("SELECT max(version) FROM calve_schema_version"));
  ARROW_ASSIGN_OR_RAISE(bool row, select.Step());
  if (!row || select.IsNull(0)) return std::nullopt;
  return select.Int(0);
}

// Switching a new file to WAL takes the exclusive lock without waiting; whoever loses that race finds it done already.
Status SetUpConnection(sqlite::Database& database) {
  // No sync while the file is set up: there is nothing to lose yet, and an existing journal is not written to here.
  ARROW_RETURN_NOT_OK(database.Execute("PRAGMA synchronous = OFF"));
  Status wal = database.Execute("PRAGMA journal_mode = WAL");
  if (!wal.ok() && KindOf(wal) != ErrorKind::kRetry) return wal;
  ARROW_RETURN_NOT_OK(database.Execute("PRAGMA synchronous = NORMAL"));
  // The last one to close would copy the log back with two syncs, at the end of every run; opening reads the log as
  // well.
  int was = 0;
  sqlite3_db_config(database.handle(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, &was);
  return Status::OK();
}

}  // namespace

Status PrepareJournal(sqlite::Database& database) {
  ARROW_RETURN_NOT_OK(SetUpConnection(database));
  ARROW_ASSIGN_OR_RAISE(std::optional<int64_t> version, SchemaVersion(database));
  if (!version || *version < kJournalSchemaVersion) {
    ARROW_ASSIGN_OR_RAISE(sqlite::Transaction transaction, sqlite::Transaction::Begin(database));
    ARROW_ASSIGN_OR_RAISE(version, SchemaVersion(database));  // another process may have been first
    if (!version || *version < kJournalSchemaVersion) {
      // From versions 1 (without leases) and 2 (without parts seen) as well: tables were only ever added.
      ARROW_RETURN_NOT_OK(database.Execute(kTableStatements));
      ARROW_RETURN_NOT_OK(database.Execute(
          fmt::format("INSERT INTO calve_schema_version(version) VALUES ({})", kJournalSchemaVersion).c_str()));
      ARROW_RETURN_NOT_OK(transaction.Commit());
      return Status::OK();
    }
  }
  if (*version > kJournalSchemaVersion) {
    return MakeError(ErrorKind::kConfig,
                     fmt::format("the journal {} has schema version {}, this calve knows {}", database.path(), *version,
                                 kJournalSchemaVersion),
                     "Update calve, or delete the journal: it is written anew from the target tables.");
  }
  return Status::OK();
}

}  // namespace calve::journal
