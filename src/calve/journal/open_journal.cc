#include "calve/journal/journal.h"
#include "calve/journal/postgres_journal.h"
#include "calve/journal/postgres_schema.h"
#include "calve/journal/sqlite_journal.h"
#include "calve/postgres/postgres_uri.h"
#include "calve/sqlite/sqlite_uri.h"

namespace calve::journal {

Result<std::unique_ptr<Journal>> OpenJournal(const std::string& uri, const JournalAccess& access) {
  if (sqlite::IsSqliteUri(uri)) {
    ARROW_ASSIGN_OR_RAISE(std::string path, sqlite::PathFromUri(uri));
    return SqliteJournal::Open(path);
  }
  if (postgres::IsPostgresUri(uri)) {
    postgres::ConnectOptions options;
    options.uri = uri;
    options.password = access.password;
    options.purpose = kPostgresPurpose;
    return PostgresJournal::Open(options, access.read_only);
  }
  // No URI is repeated here: one that we do not know may hold a password.
  return MakeError(ErrorKind::kConfig, "the state URI names no kind of journal that calve knows",
                   "Write it as sqlite:////absolute/file.db, sqlite:///relative/file.db or "
                   "postgresql://user@host/database.");
}

}  // namespace calve::journal
