// Passwords inside of URLs: found, taken out. Pure.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace calve::config {

// Where the password stands in "scheme://user:password@host/…". What stands in ${…} is taken for one piece.
struct PasswordPlace {
  size_t begin = 0, size = 0;  // without the colon before it
};
std::optional<PasswordPlace> FindPassword(std::string_view url);

// The URL without the password and its colon.
std::string WithoutPassword(std::string_view url, const PasswordPlace& place);

// A parameter behind the '?' that is a password ("password", "sslpassword").
bool HasPasswordParameter(std::string_view url);

// An '@' behind the one that ends the user: of a password that was not encoded, part of which would be taken for a
// host.
bool HasStrayAt(std::string_view url);

}  // namespace calve::config
