#include "calve/journal/postgres_journal.h"

#include <arrow/util/utf8.h>
#include <fmt/format.h>

#include <utility>

#include "calve/journal/postgres_schema.h"
#include "calve/postgres/postgres_error.h"

namespace calve::journal {
namespace {

using postgres::Connection;
using postgres::Parameter;
using postgres::Repeat;
using postgres::Rows;

// A server that gives no answer costs its time-out once, not at every call.
constexpr std::chrono::seconds kSilencePause{60};

constexpr const char* kRunColumns =
    "run_id, table_name, source, layer, status, started_at, finished_at, window_from, window_to, row_count, "
    "file_count, byte_count, snapshot_id, commit_id, error_message, host, pid";
constexpr const char* kRunValues = "$1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17";

// PostgreSQL's text is UTF-8 without NUL; an error's message may quote any bytes.
std::string Text(const std::string& text) {
  std::string kept = text;
  arrow::util::InitializeUTF8();
  const bool valid = arrow::util::ValidateUTF8(text);
  for (char& c : kept) {
    if (c == '\0' || (!valid && static_cast<unsigned char>(c) >= 0x80)) c = '?';
  }
  return kept;
}

Parameter Time(const std::optional<TimestampMicros>& time) {
  return time ? Parameter(FormatTimestamp(*time)) : std::nullopt;
}

// Reads a column of a time as TimestampMicros. It may be TIMESTAMP as well as TIMESTAMPTZ: the session is in UTC.
std::string Micros(std::string_view column) {
  return fmt::format("round(extract(epoch FROM {}::timestamptz) * 1000000)::bigint", column);
}

std::optional<int64_t> OptionalInt(const Rows& rows, int row, int column) {
  auto value = rows.Int(row, column);
  return rows.IsNull(row, column) || !value.ok() ? std::nullopt : std::optional(*value);
}

Result<RunRecord> RunFrom(const Rows& rows, int row) {
  RunRecord run;
  run.run_id = rows.Text(row, 0);
  run.table = rows.Text(row, 1);
  run.source = rows.Text(row, 2);
  run.layer = rows.Text(row, 3);
  run.status = rows.Text(row, 4);
  ARROW_ASSIGN_OR_RAISE(run.started_at, rows.Int(row, 5));
  run.finished_at = OptionalInt(rows, row, 6);
  run.window_from = OptionalInt(rows, row, 7);
  run.window_to = OptionalInt(rows, row, 8);
  ARROW_ASSIGN_OR_RAISE(run.rows, rows.Int(row, 9));
  ARROW_ASSIGN_OR_RAISE(run.files, rows.Int(row, 10));
  ARROW_ASSIGN_OR_RAISE(run.bytes, rows.Int(row, 11));
  run.snapshot_id = OptionalInt(rows, row, 12);
  run.commit_id = rows.Text(row, 13);
  run.error = rows.Text(row, 14);
  run.host = rows.Text(row, 15);
  ARROW_ASSIGN_OR_RAISE(run.pid, rows.Int(row, 16));
  return run;
}

// Of one row: holder, host, pid, process_start, since, until.
Result<Lease> LeaseFrom(const Rows& rows, const std::string& table) {
  Lease lease;
  lease.table = table;
  lease.holder = rows.Text(0, 0);
  lease.host = rows.Text(0, 1);
  ARROW_ASSIGN_OR_RAISE(lease.pid, rows.Int(0, 2));
  ARROW_ASSIGN_OR_RAISE(lease.process_start, rows.Int(0, 3));
  ARROW_ASSIGN_OR_RAISE(lease.since, rows.Int(0, 4));
  ARROW_ASSIGN_OR_RAISE(lease.until, rows.Int(0, 5));
  return lease;
}

std::string Length(TimestampMicros from, TimestampMicros to) { return std::to_string(std::max<int64_t>(to - from, 0)); }

// One writer of a table's row at a time: a platform's own offload_watermarks need not have a key to tell.
Status LockWatermark(postgres::Connection& connection, const std::string& table_name) {
  return connection.Execute("SELECT pg_advisory_xact_lock(1668050038, hashtext($1))", {table_name}).status();
}

}  // namespace

Result<std::unique_ptr<Journal>> PostgresJournal::Open(const postgres::ConnectOptions& options, bool read_only) {
  postgres::SessionOptions session_options{options, "SET LOCAL synchronous_commit = off", {}, kSilencePause};
  if (!read_only) session_options.prepare = PrepareJournal;
  ARROW_ASSIGN_OR_RAISE(auto session, postgres::Session::Make(std::move(session_options)));
  ARROW_RETURN_NOT_OK(session->Connect());
  return std::unique_ptr<Journal>(new PostgresJournal(std::move(session), read_only));
}

template <typename T>
Result<T> PostgresJournal::OrNothing(const Status& status, T value) {
  if (status.ok() || (read_only_ && KindOf(status) == ErrorKind::kNotFound)) return value;
  return status;
}

Status PostgresJournal::WriteRun(const std::string& sql, const RunRecord& run, int64_t& written) {
  auto number = [](int64_t value) { return std::to_string(value); };
  Parameter snapshot;
  if (run.snapshot_id) snapshot = number(*run.snapshot_id);
  return session_->Transact(Repeat::kHarmless, [&](Connection& connection) -> Status {
    ARROW_ASSIGN_OR_RAISE(
        Rows rows,
        connection.Execute(sql, {Text(run.run_id), Text(run.table), Text(run.source), Text(run.layer), Text(run.status),
                                 FormatTimestamp(run.started_at), Time(run.finished_at), Time(run.window_from),
                                 Time(run.window_to), number(run.rows), number(run.files), number(run.bytes), snapshot,
                                 Text(run.commit_id), Text(run.error), Text(run.host), number(run.pid)}));
    written += rows.affected();
    return Status::OK();
  });
}

Status PostgresJournal::StartRun(const RunRecord& run) {
  // A second try after a lost answer may find what the first one wrote: then it has been written all the same.
  int64_t written = 0;
  ARROW_RETURN_NOT_OK(
      WriteRun(fmt::format("INSERT INTO calve_runs({}) VALUES ({}) ON CONFLICT DO NOTHING", kRunColumns, kRunValues),
               run, written));
  if (written > 0) return Status::OK();
  return MakeError(ErrorKind::kAlreadyExists, fmt::format("{} has the run {} already", name(), run.run_id));
}

Status PostgresJournal::FinishRun(const RunRecord& run) {
  int64_t written = 0;
  return WriteRun(
      fmt::format("INSERT INTO calve_runs({0}) VALUES ({1}) ON CONFLICT (run_id) DO UPDATE SET ({0}) = ({1})",
                  kRunColumns, kRunValues),
      run, written);
}

Result<std::vector<RunRecord>> PostgresJournal::LastRuns(const std::string& table, int count) {
  // The ordinal orders runs that began in the same microsecond.
  std::string sql = fmt::format(
      "SELECT run_id, table_name, source, layer, status, {}, {}, {}, {}, row_count, file_count, byte_count, "
      "snapshot_id, commit_id, error_message, host, pid FROM calve_runs WHERE $1 = '' OR table_name = $1 "
      "ORDER BY started_at DESC, ordinal DESC LIMIT {}",
      Micros("started_at"), Micros("finished_at"), Micros("window_from"), Micros("window_to"), count < 0 ? 0 : count);
  std::vector<RunRecord> runs;
  Status done = session_->Transact(Repeat::kHarmless, [&](Connection& connection) -> Status {
    runs.clear();
    ARROW_ASSIGN_OR_RAISE(Rows rows, connection.Execute(sql, {Text(table)}));
    for (int row = 0; row < rows.count(); ++row) {
      ARROW_ASSIGN_OR_RAISE(RunRecord run, RunFrom(rows, row));
      runs.push_back(std::move(run));
    }
    return Status::OK();
  });
  return OrNothing(done, std::move(runs));
}

Status PostgresJournal::WriteWatermark(const WatermarkRow& row, TimestampMicros now) {
  // Each column has a parameter of its own: they may be of different types.
  constexpr const char* kUpdate =
      "UPDATE offload_watermarks SET last_offload_timestamp = $2, "
      "last_offload_max_sequence = coalesce($3, last_offload_max_sequence), last_offload_row_count = $4, status = $5, "
      "last_successful_run = $6, last_run_duration_seconds = $7, failure_count = $8, last_error_message = $9, "
      "updated_at = $10 WHERE table_name = $1";
  constexpr const char* kInsert =
      "INSERT INTO offload_watermarks(table_name, last_offload_timestamp, last_offload_max_sequence, "
      "last_offload_row_count, status, last_successful_run, last_run_duration_seconds, failure_count, "
      "last_error_message, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
  Parameter sequence, message;
  if (row.last_offload_max_sequence) sequence = std::to_string(*row.last_offload_max_sequence);
  if (!row.last_error_message.empty()) message = Text(row.last_error_message);
  std::vector<Parameter> values = {Text(row.table_name),
                                   FormatTimestamp(row.last_offload_timestamp),
                                   sequence,
                                   std::to_string(row.last_offload_row_count),
                                   Text(row.status),
                                   Time(row.last_successful_run),
                                   std::to_string(row.last_run_duration_seconds),
                                   std::to_string(row.failure_count),
                                   message,
                                   FormatTimestamp(now)};
  return session_->Transact(Repeat::kHarmless, [&](Connection& connection) -> Status {
    ARROW_RETURN_NOT_OK(LockWatermark(connection, Text(row.table_name)));
    ARROW_ASSIGN_OR_RAISE(Rows updated, connection.Execute(kUpdate, values));
    if (updated.affected() > 0) return Status::OK();
    std::vector<Parameter> first = values;
    if (!sequence) first[2] = "0";
    first.push_back(FormatTimestamp(now));
    return connection.Execute(kInsert, first).status();
  });
}

Status PostgresJournal::WriteFailure(const std::string& table_name, const std::string& message, TimestampMicros now) {
  constexpr const char* kUpdate =
      "UPDATE offload_watermarks SET status = 'failed', failure_count = coalesce(failure_count, 0) + 1, "
      "last_error_message = $2, updated_at = $3 WHERE table_name = $1";
  // A table that fails before its first offload has no watermark, and the column takes no NULL: the epoch stands for
  // "none".
  constexpr const char* kInsert =
      "INSERT INTO offload_watermarks(table_name, last_offload_timestamp, last_offload_max_sequence, "
      "last_offload_row_count, status, failure_count, last_error_message, created_at, updated_at) "
      "VALUES ($1, '1970-01-01 00:00:00Z', 0, 0, 'failed', 1, $2, $3, $4)";
  const std::string time = FormatTimestamp(now);
  return session_->Transact(Repeat::kHarmful, [&](Connection& connection) -> Status {
    ARROW_RETURN_NOT_OK(LockWatermark(connection, Text(table_name)));
    ARROW_ASSIGN_OR_RAISE(Rows updated, connection.Execute(kUpdate, {Text(table_name), Text(message), time}));
    if (updated.affected() > 0) return Status::OK();
    return connection.Execute(kInsert, {Text(table_name), Text(message), time, time}).status();
  });
}

Status PostgresJournal::WriteStatus(const std::string& table_name, const std::string& status, TimestampMicros now) {
  const std::string time = FormatTimestamp(now);
  return session_->Transact(Repeat::kHarmless, [&](Connection& connection) -> Status {
    ARROW_RETURN_NOT_OK(LockWatermark(connection, Text(table_name)));
    ARROW_ASSIGN_OR_RAISE(
        Rows updated,
        connection.Execute("UPDATE offload_watermarks SET status = $2, updated_at = $3 WHERE table_name = $1",
                           {Text(table_name), Text(status), time}));
    if (updated.affected() > 0) return Status::OK();
    return connection
        .Execute(
            "INSERT INTO offload_watermarks(table_name, last_offload_timestamp, last_offload_max_sequence, "
            "last_offload_row_count, status, failure_count, created_at, updated_at) "
            "VALUES ($1, '1970-01-01 00:00:00Z', 0, 0, $2, 0, $3, $4)",
            {Text(table_name), Text(status), time, time})
        .status();
  });
}

Result<std::optional<WatermarkRow>> PostgresJournal::ReadWatermark(const std::string& table_name) {
  const std::string sql = fmt::format(
      "SELECT {}, last_offload_max_sequence, last_offload_row_count, status, {}, last_run_duration_seconds, "
      "failure_count, last_error_message FROM offload_watermarks WHERE table_name = $1",
      Micros("last_offload_timestamp"), Micros("last_successful_run"));
  std::optional<WatermarkRow> found;
  Status done = session_->Transact(Repeat::kHarmless, [&](Connection& connection) -> Status {
    found.reset();
    auto asked = connection.Execute(sql, {Text(table_name)});
    // Text that is no time, infinity.
    if (!asked.ok() && (connection.state().starts_with("22") || connection.state() == "0A000")) {
      return WithKind(asked.status(), ErrorKind::kCorrupt, "Mend the row of offload_watermarks.");
    }
    ARROW_ASSIGN_OR_RAISE(Rows rows, std::move(asked));
    if (rows.count() == 0) return Status::OK();
    if (rows.count() > 1 || rows.IsNull(0, 0)) {
      return MakeError(ErrorKind::kCorrupt,
                       fmt::format("{}: offload_watermarks has {} for {}", session_->name(),
                                   rows.count() > 1 ? "more than one row" : "no last_offload_timestamp", table_name),
                       "Mend the row of offload_watermarks.");
    }
    WatermarkRow row;
    row.table_name = table_name;
    ARROW_ASSIGN_OR_RAISE(row.last_offload_timestamp, rows.Int(0, 0));
    ARROW_ASSIGN_OR_RAISE(row.last_offload_max_sequence, rows.Int(0, 1));
    ARROW_ASSIGN_OR_RAISE(row.last_offload_row_count, rows.Int(0, 2));
    row.status = rows.Text(0, 3);
    row.last_successful_run = OptionalInt(rows, 0, 4);
    ARROW_ASSIGN_OR_RAISE(int64_t duration, rows.Int(0, 5));
    row.last_run_duration_seconds = static_cast<int>(duration);
    ARROW_ASSIGN_OR_RAISE(int64_t failures, rows.Int(0, 6));
    row.failure_count = static_cast<int>(failures);
    row.last_error_message = rows.Text(0, 7);
    found = std::move(row);
    return Status::OK();
  });
  return OrNothing(done, std::move(found));
}

Result<Lease> PostgresJournal::AcquireLease(const Lease& wanted) {
  const std::string columns = fmt::format("holder, host, pid, process_start, {}, {}", Micros("since"), Micros("until"));
  const std::string take = fmt::format(
      "INSERT INTO calve_leases AS held (table_name, holder, host, pid, process_start, since, until) "
      "VALUES ($1, $2, $3, $4, $5, clock_timestamp(), clock_timestamp() + $6 * interval '1 microsecond') "
      "ON CONFLICT (table_name) DO UPDATE SET (holder, host, pid, process_start, since, until) = "
      "(EXCLUDED.holder, EXCLUDED.host, EXCLUDED.pid, EXCLUDED.process_start, EXCLUDED.since, EXCLUDED.until) "
      "WHERE held.until <= clock_timestamp() OR held.holder = EXCLUDED.holder RETURNING {}",
      columns);
  const std::string look = fmt::format("SELECT {} FROM calve_leases WHERE table_name = $1", columns);
  const std::string table = Text(wanted.table);
  const std::vector<Parameter> values = {table,
                                         wanted.holder,
                                         Text(wanted.host),
                                         std::to_string(wanted.pid),
                                         std::to_string(wanted.process_start),
                                         Length(wanted.since, wanted.until)};
  Lease lease;
  ARROW_RETURN_NOT_OK(session_->Transact(Repeat::kHarmless, [&](Connection& connection) -> Status {
    // Between being refused and looking, the holder may release it; that it happens over and over is no case.
    for (int tries = 0; tries < 5; ++tries) {
      for (const auto& [sql, parameters] : {std::pair(take, values), std::pair(look, std::vector<Parameter>{table})}) {
        ARROW_ASSIGN_OR_RAISE(Rows rows, connection.Execute(sql, parameters));
        if (rows.count() == 0) continue;
        ARROW_ASSIGN_OR_RAISE(lease, LeaseFrom(rows, wanted.table));
        return Status::OK();
      }
    }
    return MakeError(ErrorKind::kRetry,
                     fmt::format("{}: the lease of {} changes hands too fast", session_->name(), wanted.table));
  }));
  return lease;
}

Result<bool> PostgresJournal::RenewLease(const std::string& table, const std::string& holder, TimestampMicros now,
                                         TimestampMicros until) {
  bool ours = false;
  ARROW_RETURN_NOT_OK(session_->Transact(Repeat::kHarmless, [&](Connection& connection) -> Status {
    ARROW_ASSIGN_OR_RAISE(Rows rows,
                          connection.Execute("UPDATE calve_leases SET until = clock_timestamp() + $3 * interval '1 "
                                             "microsecond' WHERE table_name = $1 AND holder = $2",
                                             {Text(table), holder, Length(now, until)}));
    ours = rows.affected() == 1;
    return Status::OK();
  }));
  return ours;
}

Status PostgresJournal::ReleaseLease(const std::string& table, const std::string& holder) {
  return session_->Transact(Repeat::kHarmless, [&](Connection& connection) {
    return connection.Execute("DELETE FROM calve_leases WHERE table_name = $1 AND holder = $2", {Text(table), holder})
        .status();
  });
}

Result<std::optional<std::string>> PostgresJournal::ReadPartsSeen(const std::string& table, const std::string& source) {
  std::optional<std::string> parts;
  Status done = session_->Transact(Repeat::kHarmless, [&](Connection& connection) -> Status {
    ARROW_ASSIGN_OR_RAISE(Rows rows,
                          connection.Execute("SELECT parts FROM calve_parts_seen WHERE table_name = $1 AND source = $2",
                                             {Text(table), Text(source)}));
    parts = rows.count() > 0 ? std::optional(rows.Text(0, 0)) : std::nullopt;
    return Status::OK();
  });
  return OrNothing(done, std::move(parts));
}

Status PostgresJournal::WritePartsSeen(const std::string& table, const std::string& source, const std::string& parts,
                                       TimestampMicros now) {
  return session_->Transact(Repeat::kHarmless, [&](Connection& connection) {
    return connection
        .Execute(
            "INSERT INTO calve_parts_seen(table_name, source, parts, updated_at) VALUES ($1, $2, $3, $4) "
            "ON CONFLICT (table_name) DO UPDATE SET (source, parts, updated_at) = "
            "(EXCLUDED.source, EXCLUDED.parts, EXCLUDED.updated_at)",
            {Text(table), Text(source), Text(parts), FormatTimestamp(now)})
        .status();
  });
}

// The table is made by the first pause, and not with the others: a user who may not make tables loses nothing but
// pauses.
Result<std::vector<PausedTable>> PostgresJournal::ReadPauses() {
  std::vector<PausedTable> pauses;
  ARROW_RETURN_NOT_OK(session_->Transact(Repeat::kHarmless, [&](Connection& connection) -> Status {
    pauses.clear();
    ARROW_ASSIGN_OR_RAISE(Rows there, connection.Execute("SELECT to_regclass('calve_paused_tables') IS NOT NULL"));
    if (!there.Bool(0, 0)) return Status::OK();
    ARROW_ASSIGN_OR_RAISE(
        Rows rows,
        connection.Execute(fmt::format("SELECT table_name, {} FROM calve_paused_tables ORDER BY 1", Micros("since"))));
    for (int row = 0; row < rows.count(); ++row) {
      PausedTable pause;
      pause.table = rows.Text(row, 0);
      ARROW_ASSIGN_OR_RAISE(pause.since, rows.Int(row, 1));
      pauses.push_back(std::move(pause));
    }
    return Status::OK();
  }));
  return pauses;
}

Status PostgresJournal::WritePause(const std::string& table, TimestampMicros now) {
  return session_->Transact(Repeat::kHarmless, [&](Connection& connection) -> Status {
    ARROW_ASSIGN_OR_RAISE(Rows there, connection.Execute("SELECT to_regclass('calve_paused_tables') IS NOT NULL"));
    if (!there.Bool(0, 0)) {
      ARROW_RETURN_NOT_OK(connection
                              .Execute("CREATE TABLE IF NOT EXISTS calve_paused_tables("
                                       "table_name TEXT PRIMARY KEY, since TIMESTAMPTZ NOT NULL)")
                              .status());
    }
    return connection
        .Execute("INSERT INTO calve_paused_tables(table_name, since) VALUES ($1, $2) ON CONFLICT DO NOTHING",
                 {Text(table), FormatTimestamp(now)})
        .status();
  });
}

Status PostgresJournal::RemovePause(const std::string& table) {
  return session_->Transact(Repeat::kHarmless, [&](Connection& connection) -> Status {
    ARROW_ASSIGN_OR_RAISE(Rows there, connection.Execute("SELECT to_regclass('calve_paused_tables') IS NOT NULL"));
    if (!there.Bool(0, 0)) return Status::OK();
    return connection.Execute("DELETE FROM calve_paused_tables WHERE table_name = $1", {Text(table)}).status();
  });
}

}  // namespace calve::journal
