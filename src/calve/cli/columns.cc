#include "calve/cli/columns.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>

namespace calve::cli {
namespace {

constexpr uint32_t kBad = 0xFFFFFFFF;

// The code point at the beginning of `rest`, which is not empty, and its bytes; kBad with one byte where it is none.
std::pair<uint32_t, size_t> FirstCodePoint(std::string_view rest) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(rest[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  const size_t size = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || rest.size() < size) return {kBad, 1};
  uint32_t code = lead & (0x7Fu >> size);
  for (size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return {kBad, 1};
    code = code << 6 | (byte(i) & 0x3Fu);
  }
  constexpr std::array<uint32_t, 5> kLeast = {0, 0, 0x80, 0x800, 0x10000};
  if (code < kLeast[size] || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) return {kBad, 1};
  return {code, size};
}

struct CodeRange {
  uint32_t first, last;
};
constexpr std::array<CodeRange, 8> kCombining = {{{0x300, 0x36F},
                                                  {0x483, 0x489},
                                                  {0x591, 0x5BD},
                                                  {0x1AB0, 0x1AFF},
                                                  {0x200B, 0x200F},
                                                  {0x20D0, 0x20FF},
                                                  {0xFE00, 0xFE0F},
                                                  {0xE0100, 0xE01EF}}};
constexpr std::array<CodeRange, 10> kWide = {{{0x1100, 0x115F},
                                              {0x2E80, 0x303E},
                                              {0x3041, 0xA4CF},
                                              {0xAC00, 0xD7A3},
                                              {0xF900, 0xFAFF},
                                              {0xFE30, 0xFE6F},
                                              {0xFF00, 0xFF60},
                                              {0xFFE0, 0xFFE6},
                                              {0x1F300, 0x1FAFF},
                                              {0x20000, 0x3FFFD}}};

template <size_t N>
bool IsIn(const std::array<CodeRange, N>& ranges, uint32_t code) {
  return std::ranges::any_of(ranges, [&](const CodeRange& range) { return code >= range.first && code <= range.last; });
}

size_t WidthOf(uint32_t code) { return IsIn(kCombining, code) ? 0 : IsIn(kWide, code) ? 2 : 1; }

// What changes the direction of the text around it, or ends a line.
bool IsHidden(uint32_t code) {
  return (code >= 0x202A && code <= 0x202E) || (code >= 0x2066 && code <= 0x2069) || code == 0x2028 || code == 0x2029;
}

}  // namespace

size_t DisplayWidth(std::string_view text) {
  size_t width = 0;
  while (!text.empty()) {
    const auto [code, size] = FirstCodePoint(text);
    width += WidthOf(code);
    text.remove_prefix(size);
  }
  return width;
}

std::string Fitted(std::string_view text, size_t width) {
  if (DisplayWidth(text) <= width) return std::string(text);
  if (width == 0) return "";
  size_t used = 0, bytes = 0;
  while (bytes < text.size()) {
    const auto [code, size] = FirstCodePoint(text.substr(bytes));
    if (used + WidthOf(code) > width - 1) break;
    used += WidthOf(code);
    bytes += size;
  }
  return std::string(text.substr(0, bytes)) + "…";
}

std::string Padded(std::string_view text, size_t width, bool right_aligned) {
  std::string fitted = Fitted(text, width);
  const std::string blanks(width - std::min(width, DisplayWidth(fitted)), ' ');
  return right_aligned ? blanks + fitted : fitted + blanks;
}

std::string Neutralised(std::string_view text, bool keeps_lines) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const auto [code, size] = FirstCodePoint(text);
    if (code == kBad) {
      out += "\xEF\xBF\xBD";
    } else if (code == '\n' && keeps_lines) {
      out += '\n';
    } else if (code == '\n' || code == '\r' || code == '\t') {
      out += code == '\n' ? "\\n" : code == '\r' ? "\\r" : "\\t";
    } else if (code < 0x20 || (code >= 0x7F && code < 0xA0)) {
      out += fmt::format("\\x{:02x}", code);
    } else if (IsHidden(code)) {
      out += fmt::format("\\u{:04x}", code);
    } else {
      out += text.substr(0, size);
    }
    text.remove_prefix(size);
  }
  return out;
}

}  // namespace calve::cli
