// UTF-8, one code point at a time. Spec: string truncation counts code points, never bytes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace calve::iceberg {

struct CodePoint {
  uint32_t value = 0;
  int bytes = 0;  // 0 where the text does not begin with a well-formed sequence
};

// The first code point of `text`. Overlong forms, surrogates and values above U+10FFFF are not well-formed.
CodePoint FirstCodePoint(std::string_view text);
bool IsUtf8(std::string_view text);
void AppendUtf8(uint32_t code_point, std::string& out);

// Bytes of the longest prefix of at most `count` code points. A byte that is not well-formed counts as one.
size_t PrefixBytes(std::string_view text, int count);

}  // namespace calve::iceberg
