#include "calve/source/testing_native_bytes.h"

#include <cstring>

namespace calve::source {

std::string NativeLength(uint64_t value) {
  std::string out;
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  return out + static_cast<char>(value);
}

std::string NativeString(const std::string& text) { return NativeLength(text.size()) + text; }

std::string NumberBlock(uint64_t first, uint64_t rows, bool with_info) {
  std::string out;
  if (with_info) out += std::string("\x01\x00\x02\xff\xff\xff\xff\x00", 8);
  out += NativeLength(1) + NativeLength(rows) + NativeString("number") + NativeString("UInt64");
  if (with_info) out += '\0';  // no custom serialisation
  const size_t at = out.size();
  out.resize(at + rows * 8);
  for (uint64_t i = 0; i < rows; ++i) {
    const uint64_t value = first + i;
    std::memcpy(out.data() + at + i * 8, &value, 8);
  }
  return out;
}

std::string TextBlock(const std::string& value) {
  return NativeLength(1) + NativeLength(1) + NativeString("text") + NativeString("String") + NativeString(value);
}

}  // namespace calve::source
