#include <fmt/format.h>

#include "calve/journal/journal.h"
#include "calve/journal/sqlite_journal.h"
#include "calve/sqlite/sqlite_uri.h"

namespace calve::journal {

Result<std::unique_ptr<Journal>> OpenJournal(const std::string& uri) {
  if (sqlite::IsSqliteUri(uri)) {
    ARROW_ASSIGN_OR_RAISE(std::string path, sqlite::PathFromUri(uri));
    return SqliteJournal::Open(path);
  }
  // No URI is repeated here: one that we do not know may hold a password.
  std::string scheme = uri.substr(0, uri.find(':'));
  if (scheme == "postgresql" || scheme == "postgres") {
    return MakeError(ErrorKind::kUnsupported, "a journal in PostgreSQL is not supported",
                     "Use --state sqlite:////path/file.db.");
  }
  return MakeError(ErrorKind::kConfig, "the state URI names no kind of journal that calve knows",
                   "Write it as sqlite:////absolute/file.db or sqlite:///relative/file.db.");
}

}  // namespace calve::journal
