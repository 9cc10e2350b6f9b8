// The tables of a journal in PostgreSQL and their version.
#pragma once

#include "calve/postgres/connection.h"

namespace calve::journal {

inline constexpr postgres::Purpose kPostgresPurpose{
    "CALVE_STATE_PASSWORD, --state-password-file, PGPASSWORD or PGPASSFILE", "docs/journal.md"};

// Raised with every change of calve's own tables, together with the step that brings an older journal up to it.
inline constexpr int kPostgresSchemaVersion = 1;

// To be called within a transaction. Makes what is missing, one process at a time; an offload_watermarks that is there
// is used as it is. kConfig where a right or a column is lacking (the remedy is the statement that mends it), and for
// a journal of a newer calve.
Status PrepareJournal(postgres::Connection& connection);

}  // namespace calve::journal
