#include "calve/journal/sqlite_journal.h"

#include <fmt/format.h>

#include <utility>

#include "calve/journal/sqlite_schema.h"

namespace calve::journal {
namespace {

using sqlite::Database;
using sqlite::Statement;
using sqlite::Transaction;

constexpr int kBusyTimeoutMs = 5'000;

constexpr const char* kSqliteRunColumns =
    "run_id, table_name, source, layer, status, started_at, finished_at, window_from, window_to, row_count, "
    "file_count, "
    "byte_count, snapshot_id, commit_id, error_message, host, pid";

std::optional<std::string> Text(const std::optional<TimestampMicros>& time) {
  return time ? std::optional(FormatTimestamp(*time)) : std::nullopt;
}

// An entry that somebody else wrote need not be a time.
Result<TimestampMicros> Time(const Statement& row, int column) {
  auto time = ParseTimestamp(row.Text(column));
  return time.ok() ? time : WithKind(time.status(), ErrorKind::kCorrupt, "Mend the row or delete the journal.");
}

Result<std::optional<TimestampMicros>> OptionalTime(const Statement& row, int column) {
  if (row.IsNull(column)) return std::nullopt;
  ARROW_ASSIGN_OR_RAISE(TimestampMicros time, Time(row, column));
  return time;
}

Result<RunRecord> RunFrom(const Statement& row) {
  RunRecord run;
  run.run_id = row.Text(0);
  run.table = row.Text(1);
  run.source = row.Text(2);
  run.layer = row.Text(3);
  run.status = row.Text(4);
  ARROW_ASSIGN_OR_RAISE(run.started_at, Time(row, 5));
  ARROW_ASSIGN_OR_RAISE(run.finished_at, OptionalTime(row, 6));
  ARROW_ASSIGN_OR_RAISE(run.window_from, OptionalTime(row, 7));
  ARROW_ASSIGN_OR_RAISE(run.window_to, OptionalTime(row, 8));
  run.rows = row.Int(9);
  run.files = row.Int(10);
  run.bytes = row.Int(11);
  if (!row.IsNull(12)) run.snapshot_id = row.Int(12);
  run.commit_id = row.Text(13);
  run.error = row.Text(14);
  run.host = row.Text(15);
  run.pid = row.Int(16);
  return run;
}

}  // namespace

Result<std::unique_ptr<Journal>> SqliteJournal::Open(const std::string& path) {
  std::unique_ptr<SqliteJournal> journal(new SqliteJournal(path));
  std::lock_guard lock(journal->mutex_);
  ARROW_RETURN_NOT_OK(journal->Ready().status());
  return std::unique_ptr<Journal>(std::move(journal));
}

Result<Database*> SqliteJournal::Ready() {
  if (database_ && database_->HasMoved()) database_.reset();
  if (!database_) {
    auto opened = Database::Open(path_, kBusyTimeoutMs);
    Status status = opened.status();
    if (status.ok()) status = PrepareJournal(*opened);
    if (KindOf(status) == ErrorKind::kCorrupt) {
      return WithKind(status, ErrorKind::kCorrupt,
                      "Delete it: the watermarks are in the target tables, the journal is written anew.");
    }
    ARROW_RETURN_NOT_OK(status);
    database_.emplace(std::move(opened).ValueUnsafe());
  }
  return &*database_;
}

Status SqliteJournal::WriteRun(const std::string& sql, const RunRecord& run) {
  std::lock_guard lock(mutex_);
  ARROW_ASSIGN_OR_RAISE(Database * database, Ready());
  ARROW_ASSIGN_OR_RAISE(Transaction transaction, Transaction::Begin(*database));
  ARROW_ASSIGN_OR_RAISE(Statement insert, database->Prepare(sql));
  insert.Bind(run.run_id, run.table, run.source, run.layer, run.status, FormatTimestamp(run.started_at),
              Text(run.finished_at), Text(run.window_from), Text(run.window_to), run.rows, run.files, run.bytes,
              run.snapshot_id, run.commit_id, run.error, run.host, run.pid);
  ARROW_RETURN_NOT_OK(insert.Run());
  return transaction.Commit();
}

Status SqliteJournal::StartRun(const RunRecord& run) {
  return WriteRun(
      fmt::format("INSERT INTO calve_runs({}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)", kSqliteRunColumns), run);
}

Status SqliteJournal::FinishRun(const RunRecord& run) {
  return WriteRun(fmt::format("INSERT OR REPLACE INTO calve_runs({}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
                              kSqliteRunColumns),
                  run);
}

Result<std::vector<RunRecord>> SqliteJournal::LastRuns(const std::string& table, int count) {
  std::lock_guard lock(mutex_);
  ARROW_ASSIGN_OR_RAISE(Database * database, Ready());
  // The rowid orders runs that began in the same microsecond.
  ARROW_ASSIGN_OR_RAISE(Statement select,
                        database->Prepare(fmt::format(
                            "SELECT {} FROM calve_runs {} ORDER BY started_at DESC, rowid DESC "
                            "LIMIT {}",
                            kSqliteRunColumns, table.empty() ? "" : "WHERE table_name = ?", count < 0 ? 0 : count)));
  if (!table.empty()) select.Bind(table);
  std::vector<RunRecord> runs;
  for (;;) {
    ARROW_ASSIGN_OR_RAISE(bool row, select.Step());
    if (!row) return runs;
    ARROW_ASSIGN_OR_RAISE(RunRecord run, RunFrom(select));
    runs.push_back(std::move(run));
  }
}

Status SqliteJournal::WriteWatermark(const WatermarkRow& row, TimestampMicros now) {
  std::lock_guard lock(mutex_);
  ARROW_ASSIGN_OR_RAISE(Database * database, Ready());
  ARROW_ASSIGN_OR_RAISE(Transaction transaction, Transaction::Begin(*database));
  ARROW_ASSIGN_OR_RAISE(
      Statement upsert,
      database->Prepare(
          "INSERT INTO offload_watermarks(table_name, last_offload_timestamp, last_offload_max_sequence, "
          "last_offload_row_count, status, last_successful_run, last_run_duration_seconds, failure_count, "
          "last_error_message, created_at, updated_at) VALUES (?1,?2,coalesce(?3,0),?4,?5,?6,?7,?8,?9,?10,?10) "
          "ON CONFLICT(table_name) DO UPDATE SET last_offload_timestamp = ?2, "
          "last_offload_max_sequence = coalesce(?3, last_offload_max_sequence), "
          "last_offload_row_count = ?4, status = ?5, last_successful_run = ?6, last_run_duration_seconds = ?7, "
          "failure_count = ?8, last_error_message = ?9, updated_at = ?10"));
  std::optional<std::string> message;
  if (!row.last_error_message.empty()) message = row.last_error_message;
  upsert.Bind(row.table_name, FormatTimestamp(row.last_offload_timestamp), row.last_offload_max_sequence,
              row.last_offload_row_count, row.status, Text(row.last_successful_run),
              int64_t{row.last_run_duration_seconds}, int64_t{row.failure_count}, message, FormatTimestamp(now));
  ARROW_RETURN_NOT_OK(upsert.Run());
  return transaction.Commit();
}

Status SqliteJournal::WriteFailure(const std::string& table_name, const std::string& message, TimestampMicros now) {
  std::lock_guard lock(mutex_);
  ARROW_ASSIGN_OR_RAISE(Database * database, Ready());
  ARROW_ASSIGN_OR_RAISE(Transaction transaction, Transaction::Begin(*database));
  // A table that fails before its first offload has no watermark, and the column takes no NULL: the epoch stands for
  // "none".
  ARROW_ASSIGN_OR_RAISE(
      Statement upsert,
      database->Prepare("INSERT INTO offload_watermarks(table_name, last_offload_timestamp, last_offload_max_sequence, "
                        "last_offload_row_count, status, failure_count, last_error_message, created_at, updated_at) "
                        "VALUES (?1, ?4, 0, 0, 'failed', 1, ?2, ?3, ?3) ON CONFLICT(table_name) DO UPDATE SET "
                        "status = 'failed', failure_count = coalesce(failure_count, 0) + 1, last_error_message = ?2, "
                        "updated_at = ?3"));
  upsert.Bind(table_name, message, FormatTimestamp(now), FormatTimestamp(0));
  ARROW_RETURN_NOT_OK(upsert.Run());
  return transaction.Commit();
}

Status SqliteJournal::WriteStatus(const std::string& table_name, const std::string& status, TimestampMicros now) {
  std::lock_guard lock(mutex_);
  ARROW_ASSIGN_OR_RAISE(Database * database, Ready());
  ARROW_ASSIGN_OR_RAISE(Transaction transaction, Transaction::Begin(*database));
  ARROW_ASSIGN_OR_RAISE(
      Statement upsert,
      database->Prepare("INSERT INTO offload_watermarks(table_name, last_offload_timestamp, last_offload_max_sequence, "
                        "last_offload_row_count, status, failure_count, created_at, updated_at) "
                        "VALUES (?1, ?4, 0, 0, ?2, 0, ?3, ?3) ON CONFLICT(table_name) DO UPDATE SET status = ?2, "
                        "updated_at = ?3"));
  upsert.Bind(table_name, status, FormatTimestamp(now), FormatTimestamp(0));
  ARROW_RETURN_NOT_OK(upsert.Run());
  return transaction.Commit();
}

Result<std::optional<WatermarkRow>> SqliteJournal::ReadWatermark(const std::string& table_name) {
  std::lock_guard lock(mutex_);
  ARROW_ASSIGN_OR_RAISE(Database * database, Ready());
  ARROW_ASSIGN_OR_RAISE(
      Statement select,
      database->Prepare("SELECT last_offload_timestamp, last_offload_max_sequence, last_offload_row_count, status, "
                        "last_successful_run, last_run_duration_seconds, failure_count, last_error_message "
                        "FROM offload_watermarks WHERE table_name = ?"));
  ARROW_ASSIGN_OR_RAISE(bool found, select.Bind(table_name).Step());
  if (!found) return std::nullopt;
  WatermarkRow row;
  row.table_name = table_name;
  ARROW_ASSIGN_OR_RAISE(row.last_offload_timestamp, Time(select, 0));
  row.last_offload_max_sequence = select.Int(1);
  row.last_offload_row_count = select.Int(2);
  row.status = select.Text(3);
  ARROW_ASSIGN_OR_RAISE(row.last_successful_run, OptionalTime(select, 4));
  row.last_run_duration_seconds = static_cast<int>(select.Int(5));
  row.failure_count = static_cast<int>(select.Int(6));
  row.last_error_message = select.Text(7);
  return row;
}

Result<Lease> SqliteJournal::AcquireLease(const Lease& wanted) {
  std::lock_guard lock(mutex_);
  ARROW_ASSIGN_OR_RAISE(Database * database, Ready());
  ARROW_ASSIGN_OR_RAISE(Transaction transaction, Transaction::Begin(*database));
  ARROW_ASSIGN_OR_RAISE(Statement select, database->Prepare("SELECT holder, host, pid, process_start, since, until "
                                                            "FROM calve_leases WHERE table_name = ?"));
  ARROW_ASSIGN_OR_RAISE(bool found, select.Bind(wanted.table).Step());
  if (found) {
    Lease held{wanted.table, select.Text(0), select.Text(1), select.Int(2), select.Int(3), 0, 0};
    auto since = Time(select, 4), until = Time(select, 5);
    // One that does not parse is nobody's.
    if (since.ok() && until.ok() && *until > wanted.since && held.holder != wanted.holder) {
      held.since = *since;
      held.until = *until;
      return held;
    }
  }
  ARROW_ASSIGN_OR_RAISE(Statement insert,
                        database->Prepare("INSERT OR REPLACE INTO calve_leases(table_name, holder, host, "
                                          "pid, process_start, since, until) VALUES (?,?,?,?,?,?,?)"));
  insert.Bind(wanted.table, wanted.holder, wanted.host, wanted.pid, wanted.process_start, FormatTimestamp(wanted.since),
              FormatTimestamp(wanted.until));
  ARROW_RETURN_NOT_OK(insert.Run());
  ARROW_RETURN_NOT_OK(transaction.Commit());
  return wanted;
}

Result<bool> SqliteJournal::RenewLease(const std::string& table, const std::string& holder, TimestampMicros now,
                                       TimestampMicros until) {
  std::lock_guard lock(mutex_);
  ARROW_ASSIGN_OR_RAISE(Database * database, Ready());
  ARROW_ASSIGN_OR_RAISE(Transaction transaction, Transaction::Begin(*database));
  ARROW_ASSIGN_OR_RAISE(Statement update,
                        database->Prepare("UPDATE calve_leases SET until = ? WHERE table_name = ? AND holder = ?"));
  update.Bind(FormatTimestamp(until), table, holder);
  ARROW_RETURN_NOT_OK(update.Run());
  bool ours = sqlite3_changes(database->handle()) == 1;
  ARROW_RETURN_NOT_OK(transaction.Commit());
  return ours;
}

Status SqliteJournal::ReleaseLease(const std::string& table, const std::string& holder) {
  std::lock_guard lock(mutex_);
  ARROW_ASSIGN_OR_RAISE(Database * database, Ready());
  ARROW_ASSIGN_OR_RAISE(Transaction transaction, Transaction::Begin(*database));
  ARROW_ASSIGN_OR_RAISE(Statement remove,
                        database->Prepare("DELETE FROM calve_leases WHERE table_name = ? AND holder = ?"));
  remove.Bind(table, holder);
  ARROW_RETURN_NOT_OK(remove.Run());
  return transaction.Commit();
}

Result<std::optional<std::string>> SqliteJournal::ReadPartsSeen(const std::string& table, const std::string& source) {
  std::lock_guard lock(mutex_);
  ARROW_ASSIGN_OR_RAISE(Database * database, Ready());
  ARROW_ASSIGN_OR_RAISE(Statement select,
                        database->Prepare("SELECT parts FROM calve_parts_seen WHERE table_name = ? AND source = ?"));
  ARROW_ASSIGN_OR_RAISE(bool found, select.Bind(table, source).Step());
  if (!found) return std::nullopt;
  return select.Text(0);
}

Status SqliteJournal::WritePartsSeen(const std::string& table, const std::string& source, const std::string& parts,
                                     TimestampMicros now) {
  std::lock_guard lock(mutex_);
  ARROW_ASSIGN_OR_RAISE(Database * database, Ready());
  ARROW_ASSIGN_OR_RAISE(Transaction transaction, Transaction::Begin(*database));
  ARROW_ASSIGN_OR_RAISE(Statement insert, database->Prepare("INSERT OR REPLACE INTO calve_parts_seen(table_name, "
                                                            "source, parts, updated_at) VALUES (?,?,?,?)"));
  insert.Bind(table, source, parts, FormatTimestamp(now));
  ARROW_RETURN_NOT_OK(insert.Run());
  return transaction.Commit();
}

Result<std::vector<PausedTable>> SqliteJournal::ReadPauses() {
  std::lock_guard lock(mutex_);
  ARROW_ASSIGN_OR_RAISE(Database * database, Ready());
  std::vector<PausedTable> pauses;
  ARROW_ASSIGN_OR_RAISE(
      Statement there,
      database->Prepare("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'calve_paused_tables'"));
  ARROW_ASSIGN_OR_RAISE(bool is_there, there.Step());
  if (!is_there) return pauses;
  ARROW_ASSIGN_OR_RAISE(Statement select,
                        database->Prepare("SELECT table_name, since FROM calve_paused_tables ORDER BY table_name"));
  for (;;) {
    ARROW_ASSIGN_OR_RAISE(bool found, select.Step());
    if (!found) return pauses;
    PausedTable pause;
    pause.table = select.Text(0);
    ARROW_ASSIGN_OR_RAISE(pause.since, Time(select, 1));
    pauses.push_back(std::move(pause));
  }
}

// Made by the first pause, and not with the others: so a journal without pauses is one that older versions know, too.
Status SqliteJournal::WritePause(const std::string& table, TimestampMicros now) {
  std::lock_guard lock(mutex_);
  ARROW_ASSIGN_OR_RAISE(Database * database, Ready());
  ARROW_ASSIGN_OR_RAISE(Transaction transaction, Transaction::Begin(*database));
  ARROW_RETURN_NOT_OK(database->Execute(
      "CREATE TABLE IF NOT EXISTS calve_paused_tables(table_name TEXT PRIMARY KEY, since TEXT NOT NULL)"));
  ARROW_ASSIGN_OR_RAISE(Statement insert,
                        database->Prepare("INSERT OR IGNORE INTO calve_paused_tables(table_name, since) VALUES (?,?)"));
  insert.Bind(table, FormatTimestamp(now));
  ARROW_RETURN_NOT_OK(insert.Run());
  return transaction.Commit();
}

Status SqliteJournal::RemovePause(const std::string& table) {
  ARROW_ASSIGN_OR_RAISE(const std::vector<PausedTable> pauses, ReadPauses());
  if (pauses.empty()) return Status::OK();
  std::lock_guard lock(mutex_);
  ARROW_ASSIGN_OR_RAISE(Database * database, Ready());
  ARROW_ASSIGN_OR_RAISE(Transaction transaction, Transaction::Begin(*database));
  ARROW_ASSIGN_OR_RAISE(Statement remove, database->Prepare("DELETE FROM calve_paused_tables WHERE table_name = ?"));
  remove.Bind(table);
  ARROW_RETURN_NOT_OK(remove.Run());
  return transaction.Commit();
}

}  // namespace calve::journal
