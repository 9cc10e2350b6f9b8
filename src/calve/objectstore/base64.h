// Base64 (RFC 4648, section 4) and the digest that stores want in it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace calve::objectstore {

std::string Base64Encoded(std::string_view bytes);
// nullopt for what is none. Line breaks are none.
std::optional<std::string> Base64Decoded(std::string_view text);
std::string Md5(std::string_view bytes);  // 16 bytes

}  // namespace calve::objectstore
