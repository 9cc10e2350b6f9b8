// The members of table metadata that grow with every commit. A table that was written to for months has megabytes of
// them, and each cycle reads and writes them twice: they do not go through a document of values as the rest does.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "calve/iceberg/table_metadata.h"

namespace calve::iceberg {

struct LongLists {
  std::optional<SnapshotList> snapshots;  // nullopt: there is no such member
  std::optional<std::vector<SnapshotLogEntry>> snapshot_log;
  std::string rest;  // the document without them
};

// nullopt where anything about them is unusual or wrong: then the whole document is to be read in the general way,
// which yields the same where this would have, and says what is wrong.
std::optional<LongLists> TakeLongLists(std::string_view json);

}  // namespace calve::iceberg
