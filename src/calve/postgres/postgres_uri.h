// URIs of PostgreSQL databases as libpq takes them: postgresql://user@host:port/database?sslmode=verify-full&…
#pragma once

#include <string>
#include <string_view>

#include "calve/base/error.h"

namespace calve::postgres {

bool IsPostgresUri(std::string_view uri);

// What messages call the database: postgresql://host:port/database, nothing of the rest. kConfig for what libpq cannot
// parse and for a password in the URI; no message repeats a URI that may hold one.
Result<std::string> NameOfUri(const std::string& uri);

// How many hosts the URI lists: each may take its time to be found silent.
int HostsOfUri(const std::string& uri);

}  // namespace calve::postgres
