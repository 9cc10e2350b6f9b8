// URIs of PostgreSQL databases as libpq takes them: postgresql://user@host:port/database?sslmode=verify-full&…
#pragma once

#include <string>
#include <string_view>

#include "calve/base/error.h"

namespace calve::postgres {

// What calve keeps in a database, as far as messages about it have to know.
struct Purpose {
  // Where the password is looked for, "A, B or C".
  std::string_view password_places = "PGPASSWORD or PGPASSFILE";
  std::string_view page = "the documentation";  // about its tables and rights
};

bool IsPostgresUri(std::string_view uri);

// What messages call the database: postgresql://host:port/database, nothing of the rest. kConfig for what libpq cannot
// parse and for a password in the URI; no message repeats a URI that may hold one.
Result<std::string> NameOfUri(const std::string& uri, const Purpose& purpose = {});

// The other machine that would be believed whoever it is: libpq verifies certificates only where sslmode says so. Empty
// where it does, and for this machine's own addresses.
std::string UnverifiedHostOf(const std::string& uri);

// kConfig where the client's certificate that the URI names cannot be read: libpq goes on without.
Status CheckClientCertificate(const std::string& uri);

// How many hosts the URI lists: each may take its time to be found silent.
int HostsOfUri(const std::string& uri);

// The URI's connect_timeout, which libpq heeds only where it does the waiting itself; `otherwise_ms` where it says
// nothing, or to wait for ever.
int ConnectTimeoutMsOfUri(const std::string& uri, int otherwise_ms);

}  // namespace calve::postgres
