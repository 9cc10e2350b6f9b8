// Bytes of FORMAT Native for tests of what carries them: blocks of one column, number UInt64.
#pragma once

#include <cstdint>
#include <string>

namespace calve::source {

// LEB128, as ClickHouse writes lengths.
std::string NativeLength(uint64_t value);
std::string NativeString(const std::string& text);
// Rows first, first + 1, …. `with_info`: as a server writes it that was asked for a client_protocol_version.
std::string NumberBlock(uint64_t first, uint64_t rows, bool with_info = false);
// One row of one column, text String.
std::string TextBlock(const std::string& value);

}  // namespace calve::source
