// What an error of PostgreSQL means to the caller.
#pragma once

#include <string>
#include <string_view>

#include "calve/base/error.h"
#include "calve/postgres/postgres_uri.h"

namespace calve::postgres {

// The SQLSTATEs (PostgreSQL's manual, appendix A) that callers act upon.
inline constexpr std::string_view kUndefinedTable = "42P01";
inline constexpr std::string_view kDuplicateTable = "42P07";
inline constexpr std::string_view kDuplicateObject = "42710";
inline constexpr std::string_view kUniqueViolation = "23505";

// By a CREATE … IF NOT EXISTS of what another session makes at the same moment: the table, its row type or its entry.
inline bool IsMadeMeanwhile(std::string_view state) {
  return state == kDuplicateTable || state == kDuplicateObject || state == kUniqueViolation;
}
inline constexpr std::string_view kInsufficientPrivilege = "42501";

// `database`: its name for messages. An empty state is an error of libpq's own: the kind is kRetry.
Status ErrorOf(std::string_view state, std::string_view message, std::string_view database,
               const Purpose& purpose = {});

// The error of a connection that could not be made. `text` is libpq's with PQERRORS_VERBOSE, which is the only way to
// learn the SQLSTATE then; `needs_password`: the server asked for one, and there was none.
Status ConnectError(std::string text, bool needs_password, std::string_view database, const Purpose& purpose = {});

// `text` without the secret, whether it stands there plainly or percent-encoded. An empty secret is none.
std::string Scrub(std::string text, std::string_view secret);

}  // namespace calve::postgres
