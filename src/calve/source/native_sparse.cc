#include "calve/source/native_sparse.h"

#include <fmt/format.h>

#include <cstring>

namespace calve::source {

Result<SparseRows> ReadSparseRows(ByteReader& in, const std::string& path, int64_t rows) {
  constexpr uint64_t kEnd = uint64_t{1} << 62;  // END_OF_GRANULE_FLAG
  SparseRows at;
  for (int64_t row = 0;;) {
    ARROW_ASSIGN_OR_RAISE(const uint64_t group, in.ReadVarUInt());
    const uint64_t gap = group & ~kEnd;
    if (gap > static_cast<uint64_t>(rows - row))
      return CorruptColumn(path, fmt::format("sparse rows beyond the block's {}", rows));
    row += static_cast<int64_t>(gap);
    if ((group & kEnd) != 0) {
      if (row == rows) return at;
      return CorruptColumn(path, fmt::format("sparse rows end at {} of {}", row, rows));
    }
    if (row >= rows) return CorruptColumn(path, fmt::format("sparse rows beyond the block's {}", rows));
    at.push_back(row++);
  }
}

Result<std::shared_ptr<arrow::Buffer>> SpreadFixed(const arrow::Buffer& values, const SparseRows& at, int64_t rows,
                                                   int width) {
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> out, arrow::AllocateBuffer(rows * width));
  uint8_t* to = out->mutable_data();
  const uint8_t* from = values.data();
  if (rows > 0) std::memset(to, 0, rows * width);
  for (const int64_t row : at) {
    std::memcpy(to + row * width, from, width);
    from += width;
  }
  return out;
}

Result<std::shared_ptr<arrow::Buffer>> SpreadOffsets(const int32_t* offsets, const SparseRows& at, int64_t rows) {
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> out,
                        arrow::AllocateBuffer((rows + 1) * static_cast<int64_t>(sizeof(int32_t))));
  auto* to = reinterpret_cast<int32_t*>(out->mutable_data());
  int64_t row = 0;
  for (size_t i = 0; i < at.size(); ++i) {
    while (row <= at[i]) to[row++] = offsets[i];
  }
  while (row <= rows) to[row++] = offsets[at.size()];
  return out;
}

}  // namespace calve::source
