// Rows deleted by their position. Spec: "Position Delete Files".
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "calve/iceberg/data_file.h"
#include "calve/storage/file_io.h"

namespace calve::datafile {

// The deleted positions of one data file.
class PositionDeletes {
 public:
  // Adds what `deletes`, a position delete file, says about rows of `data_file`. kCorrupt names the delete file;
  // kUnsupported for deletion vectors.
  Status Add(storage::FileIO& file_io, const iceberg::DataFile& deletes, const std::string& data_file);
  // To be called after the last Add.
  void Close();

  // Clears the deleted ones of the rows that begin at position `first_row`.
  void Apply(int64_t first_row, std::vector<uint8_t>& mask) const;
  bool empty() const { return positions_.empty(); }

 private:
  std::vector<int64_t> positions_;  // ascending
};

}  // namespace calve::datafile
