// The tables of an SQLite journal and their version.
#pragma once

#include "calve/sqlite/database.h"

namespace calve::journal {

// Raised with every change of calve's own tables, together with the step that brings an older journal up to it.
inline constexpr int kJournalSchemaVersion = 3;

// Sets the connection up and makes what is missing; writes nothing where nothing is. kConfig for a journal of a newer
// calve.
Status PrepareJournal(sqlite::Database& database);

}  // namespace calve::journal
