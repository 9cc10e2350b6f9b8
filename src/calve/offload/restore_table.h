// What there is to know about a table before rows are inserted into it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "calve/offload/window.h"

namespace calve::offload {

// kUnsupported for a server that cannot take what a restore sends.
Status CheckServer(source::Source& source);

// kConflict where an INSERT of a restore into the table still runs: one whose answer was lost, or somebody else's.
Status CheckNoneRuns(source::Source& source, const source::SourceTable& table, std::vector<std::string>& notes);

// Materialized views that every INSERT into the table feeds: "db.v".
Result<std::vector<std::string>> ViewsFed(source::Source& source, const source::SourceTable& table);

// The expression of a table's TTL that deletes rows, out of its CREATE TABLE. nullopt: there is none, or it is more
// than one plain expression. Pure.
std::optional<std::string> RowTtl(const std::string& create_table);

struct TtlOutlook {
  bool has_ttl = false;
  // Whether rows of these times are expired already; nullopt where the TTL goes by more than the cursor.
  std::optional<bool> oldest_expired, newest_expired;
};
TtlOutlook LookAtTtl(source::Source& source, const source::SourceTable& table, const Cursor& cursor,
                     TimestampMicros oldest, TimestampMicros newest);

}  // namespace calve::offload
