// One prepared statement of SQLite, over its parameters and rows.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "calve/sqlite/sqlite_error.h"

namespace calve::sqlite {

// Not thread-safe. It must not outlive the Database that made it.
class Statement {
 public:
  Statement(sqlite3_stmt* statement, std::string path) : statement_(statement), path_(std::move(path)) {}

  // Binds the parameters from the first one on. A binding that fails is reported by Step().
  template <typename... Values>
  Statement& Bind(const Values&... values) {
    int index = 0;
    (BindOne(++index, values), ...);
    return *this;
  }

  // True where there is a row, false at the end.
  Result<bool> Step() {
    if (bind_code_ != SQLITE_OK) return Error(bind_code_);
    int code = sqlite3_step(statement_.get());
    if (code == SQLITE_ROW) return true;
    if (code == SQLITE_DONE) return false;
    return Error(code);
  }
  // Runs a statement to its end.
  Status Run() {
    for (;;) {
      ARROW_ASSIGN_OR_RAISE(bool row, Step());
      if (!row) return Status::OK();
    }
  }

  // Of the current row, columns from 0. NULL is 0 and "".
  bool IsNull(int column) const { return sqlite3_column_type(statement_.get(), column) == SQLITE_NULL; }
  int64_t Int(int column) const { return sqlite3_column_int64(statement_.get(), column); }
  std::string Text(int column) const {
    const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement_.get(), column));
    return text ? std::string(text, static_cast<size_t>(sqlite3_column_bytes(statement_.get(), column)))
                : std::string();
  }

 private:
  struct Finalizer {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
  };

  void BindOne(int index, std::string_view text) {
    Keep(sqlite3_bind_text64(statement_.get(), index, text.data() ? text.data() : "", text.size(), SQLITE_TRANSIENT,
                             SQLITE_UTF8));
  }
  void BindOne(int index, int64_t value) { Keep(sqlite3_bind_int64(statement_.get(), index, value)); }
  void BindOne(int index, std::nullopt_t) { Keep(sqlite3_bind_null(statement_.get(), index)); }
  template <typename T>
  void BindOne(int index, const std::optional<T>& value) {
    if (value) {
      BindOne(index, *value);
    } else {
      BindOne(index, std::nullopt);
    }
  }
  void Keep(int code) {
    if (bind_code_ == SQLITE_OK) bind_code_ = code;
  }
  Status Error(int code) const {
    sqlite3* db = sqlite3_db_handle(statement_.get());
    return SqliteError(db, sqlite3_extended_errcode(db) & 0xff ? sqlite3_extended_errcode(db) : code, "use", path_);
  }

  std::unique_ptr<sqlite3_stmt, Finalizer> statement_;
  std::string path_;
  int bind_code_ = SQLITE_OK;
};

}  // namespace calve::sqlite
