#include "calve/iceberg/utf8.h"

namespace calve::iceberg {

CodePoint FirstCodePoint(std::string_view text) {
  if (text.empty()) return {};
  auto first = static_cast<uint8_t>(text[0]);
  if (first < 0x80) return {first, 1};
  int bytes = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < static_cast<size_t>(bytes)) return {};
  uint32_t value = first & (0x7fu >> bytes);
  for (int i = 1; i < bytes; ++i) {
    auto byte = static_cast<uint8_t>(text[static_cast<size_t>(i)]);
    if ((byte & 0xc0) != 0x80) return {};
    value = value << 6 | (byte & 0x3f);
  }
  bool overlong = (bytes == 3 && value < 0x800) || (bytes == 4 && value < 0x10000);
  if (overlong || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff)) return {};
  return {value, bytes};
}

bool IsUtf8(std::string_view text) {
  while (!text.empty()) {
    const CodePoint first = FirstCodePoint(text);
    if (first.bytes == 0) return false;
    text.remove_prefix(static_cast<size_t>(first.bytes));
  }
  return true;
}

void AppendUtf8(uint32_t code_point, std::string& out) {
  auto tail = [&](int shift) { out += static_cast<char>(0x80 | ((code_point >> shift) & 0x3f)); };
  if (code_point < 0x80) {
    out += static_cast<char>(code_point);
  } else if (code_point < 0x800) {
    out += static_cast<char>(0xc0 | code_point >> 6);
    tail(0);
  } else if (code_point < 0x10000) {
    out += static_cast<char>(0xe0 | code_point >> 12);
    tail(6);
    tail(0);
  } else {
    out += static_cast<char>(0xf0 | code_point >> 18);
    tail(12);
    tail(6);
    tail(0);
  }
}

size_t PrefixBytes(std::string_view text, int count) {
  size_t position = 0;
  for (int i = 0; i < count && position < text.size(); ++i) {
    int bytes = FirstCodePoint(text.substr(position)).bytes;
    position += static_cast<size_t>(bytes == 0 ? 1 : bytes);
  }
  return position;
}

}  // namespace calve::iceberg
