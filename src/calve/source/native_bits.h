// One byte a row to one bit a row, eight rows at a time.
#pragma once

#include <arrow/buffer.h>

#include <memory>

#include "calve/base/error.h"

namespace calve::source {

struct PackedBits {
  std::shared_ptr<arrow::Buffer> bits;  // least significant bit first; the bits behind the last row are 0
  int64_t set = 0;                      // rows whose bit is 1
};

// A bit is 1 where the byte is not 0; the other way round with `inverted`, as a null map becomes a validity bitmap.
Result<PackedBits> PackBits(const uint8_t* bytes, int64_t rows, bool inverted);

}  // namespace calve::source
