// What stands before a block's columns, and before each column.
#pragma once

#include <cstdint>
#include <string>

#include "calve/source/native_byte_reader.h"

namespace calve::source {

struct BlockHeader {
  uint64_t columns = 0;
  int64_t rows = 0;
};

struct ColumnHeader {
  std::string name;
  std::string type;
  bool custom = false;  // serialisation kinds follow
};

Result<BlockHeader> ReadBlockHeader(ByteReader& in, uint64_t revision, int64_t rows_max);
Result<ColumnHeader> ReadColumnHeader(ByteReader& in, uint64_t revision);

}  // namespace calve::source
