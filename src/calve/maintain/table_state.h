// How much there is in a table: what maintenance is measured by.
#pragma once

#include <cstdint>
#include <optional>

#include "calve/iceberg/table_metadata.h"
#include "calve/storage/file_io.h"

namespace calve::maintain {

struct TableState {
  int64_t snapshots = 0;
  // Of the current snapshot.
  int64_t manifests = 0;
  int64_t data_files = 0;
  int64_t delete_files = 0;
  std::optional<int64_t> bytes;  // of both; absent where its summary does not tell

  friend bool operator==(const TableState&, const TableState&) = default;
};

// Reads the current snapshot's manifest list.
Result<TableState> DescribeTable(storage::FileIO& file_io, const iceberg::TableMetadata& metadata);

}  // namespace calve::maintain
