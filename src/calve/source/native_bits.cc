#include "calve/source/native_bits.h"

#include <bit>
#include <cstring>

namespace calve::source {
namespace {

// Bit i is 1 where byte i of `word` is not 0.
inline uint8_t NonZeroBytes(uint64_t word) {
  constexpr uint64_t kLow = 0x7f7f7f7f7f7f7f7f;
  // The high bit of each byte: set by the carry out of its low seven bits, or its own.
  const uint64_t high = (((word & kLow) + kLow) | word) & ~kLow;
  return static_cast<uint8_t>(((high >> 7) * 0x0102040810204080) >> 56);
}

}  // namespace

Result<PackedBits> PackBits(const uint8_t* bytes, int64_t rows, bool inverted) {
  PackedBits out;
  ARROW_ASSIGN_OR_RAISE(out.bits, arrow::AllocateBuffer((rows + 7) / 8));
  uint8_t* to = out.bits->mutable_data();
  const uint8_t flip = inverted ? 0xff : 0;
  int64_t set = 0;
  const int64_t words = rows / 8;
  for (int64_t i = 0; i < words; ++i) {
    uint64_t word;
    std::memcpy(&word, bytes + 8 * i, sizeof(word));
    const uint8_t packed = NonZeroBytes(word) ^ flip;
    to[i] = packed;
    set += std::popcount(packed);
  }
  if (const int64_t rest = rows % 8; rest > 0) {
    uint64_t word = 0;
    std::memcpy(&word, bytes + 8 * words, rest);
    const auto packed = static_cast<uint8_t>((NonZeroBytes(word) ^ flip) & ((1 << rest) - 1));
    to[words] = packed;
    set += std::popcount(packed);
  }
  out.set = set;
  return out;
}

}  // namespace calve::source
