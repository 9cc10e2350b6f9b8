// What stands in a JSON string as it is.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

namespace calve::iceberg {

// ASCII that JSON does not escape.
inline bool IsPlainByte(char c) {
  const auto byte = static_cast<uint8_t>(c);
  return byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\';
}

// The bytes of `text` before the first that is not plain. Eight at a time: large metadata consists of little else.
inline size_t PlainBytes(std::string_view text) {
  constexpr uint64_t kOnes = 0x0101010101010101, kHigh = 0x8080808080808080;
  // Whether a byte of `word` is below `limit`, which is at most 0x80.
  const auto any_below = [](uint64_t word, uint64_t limit) { return (word - kOnes * limit) & ~word & kHigh; };
  size_t count = 0;
  for (; count + sizeof(uint64_t) <= text.size(); count += sizeof(uint64_t)) {
    uint64_t word = 0;
    std::memcpy(&word, text.data() + count, sizeof word);
    const uint64_t quotes = word ^ (kOnes * '"'), escapes = word ^ (kOnes * '\\');
    if ((word & kHigh) | any_below(word, 0x20) | any_below(quotes, 1) | any_below(escapes, 1)) break;
  }
  while (count < text.size() && IsPlainByte(text[count])) ++count;
  return count;
}

}  // namespace calve::iceberg
