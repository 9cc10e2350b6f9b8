// What an error of SQLite means to the caller.
#pragma once

#include <fmt/format.h>
#include <sqlite3.h>

#include <string>
#include <string_view>

#include "calve/base/error.h"

namespace calve::sqlite {

// `db` gives the text of its last error; it may be null.
inline Status SqliteError(sqlite3* db, int code, std::string_view action, std::string_view path) {
  std::string message = fmt::format("cannot {} {}: {} (SQLite error {})", action, path,
                                    db ? sqlite3_errmsg(db) : sqlite3_errstr(code), code);
  switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return MakeError(ErrorKind::kRetry, message, "Another program holds it locked: try again.");
    case SQLITE_FULL:
      return MakeError(ErrorKind::kFailed, message, "Free space on that file system.");
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_CANTOPEN:
    case SQLITE_AUTH:
      return MakeError(ErrorKind::kConfig, message,
                       "Check that its folder exists and that the user that runs calve may write there.");
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return MakeError(ErrorKind::kCorrupt, message, "It is damaged or no SQLite database.");
    case SQLITE_CONSTRAINT:
      if (code == SQLITE_CONSTRAINT_PRIMARYKEY || code == SQLITE_CONSTRAINT_UNIQUE) {
        return MakeError(ErrorKind::kAlreadyExists, message);
      }
      return MakeError(ErrorKind::kFailed, message);
    default:
      return MakeError(ErrorKind::kFailed, message);
  }
}

}  // namespace calve::sqlite
