// A connection to an SQLite file, and transactions on it: a thin skin that turns codes into Status.
#pragma once

#include <sqlite3.h>

#include <filesystem>
#include <memory>
#include <string>
#include <utility>

#include "calve/sqlite/statement.h"

namespace calve::sqlite {

// Not thread-safe. Must not be carried across fork().
class Database {
 public:
  // Makes the file and the folders above where they are missing. Locks of others are waited for as long as the
  // time-out.
  static Result<Database> Open(const std::string& path, int busy_timeout_ms) {
    std::error_code ignored;  // where it fails, opening fails too and says more
    std::filesystem::path folder = std::filesystem::path(path).parent_path();
    if (!folder.empty()) std::filesystem::create_directories(folder, ignored);
    sqlite3* raw = nullptr;
    int code =
        sqlite3_open_v2(path.c_str(), &raw, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
    Database database(raw, path);
    if (code != SQLITE_OK) return SqliteError(raw, code, "open", path);
    sqlite3_extended_result_codes(raw, 1);
    sqlite3_busy_timeout(raw, busy_timeout_ms);
    return database;
  }

  const std::string& path() const { return path_; }
  sqlite3* handle() { return db_.get(); }

  // One or several statements without parameters; rows are ignored.
  Status Execute(const char* sql) {
    int code = sqlite3_exec(db_.get(), sql, nullptr, nullptr, nullptr);
    return code == SQLITE_OK ? Status::OK() : SqliteError(db_.get(), code, "use", path_);
  }
  Result<Statement> Prepare(const std::string& sql) {
    sqlite3_stmt* raw = nullptr;
    int code = sqlite3_prepare_v2(db_.get(), sql.c_str(), static_cast<int>(sql.size()), &raw, nullptr);
    Statement statement(raw, path_);
    if (code != SQLITE_OK) return SqliteError(db_.get(), code, "use", path_);
    return statement;
  }
  // Rows that the last statement changed.
  int64_t Changes() { return sqlite3_changes64(db_.get()); }
  bool InTransaction() { return sqlite3_get_autocommit(db_.get()) == 0; }
  // True where the file was deleted or replaced since it was opened.
  bool HasMoved() {
    int moved = 0;
    sqlite3_file_control(db_.get(), "main", SQLITE_FCNTL_HAS_MOVED, &moved);
    return moved != 0;
  }

 private:
  struct Closer {
    void operator()(sqlite3* db) const { sqlite3_close_v2(db); }
  };
  Database(sqlite3* db, std::string path) : db_(db), path_(std::move(path)) {}

  std::unique_ptr<sqlite3, Closer> db_;
  std::string path_;
};

// A write transaction. Rolled back by the destructor unless Commit() was called.
class Transaction {
 public:
  // Takes the write lock at once, so that nothing later has to wait in the middle.
  static Result<Transaction> Begin(Database& database) {
    ARROW_RETURN_NOT_OK(database.Execute("BEGIN IMMEDIATE"));
    return Transaction(database);
  }
  Transaction(Transaction&& other) noexcept : database_(std::exchange(other.database_, nullptr)) {}
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction() {
    if (database_ && database_->InTransaction()) (void)database_->Execute("ROLLBACK");
  }

  // OK: it is in. kUnknownOutcome: SQLite gave up in the middle of committing. Anything else: it is not in.
  Status Commit() {
    Database& database = *std::exchange(database_, nullptr);
    Status status = database.Execute("COMMIT");
    if (status.ok()) return status;
    // Still open after SQLITE_BUSY and the like: rolled back here, hence certain. A full disk fails before the commit
    // point.
    const bool full = (sqlite3_errcode(database.handle()) & 0xff) == SQLITE_FULL;
    bool certain = database.InTransaction() || full || KindOf(status) == ErrorKind::kConfig;
    if (database.InTransaction()) (void)database.Execute("ROLLBACK");
    return certain ? status : WithKind(status, ErrorKind::kUnknownOutcome, RemedyOf(status));
  }

 private:
  explicit Transaction(Database& database) : database_(&database) {}
  Database* database_;
};

}  // namespace calve::sqlite
