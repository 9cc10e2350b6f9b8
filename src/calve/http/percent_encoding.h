// Percent-encoding of a path segment or a query's value. RFC 3986, section 2.1.
#pragma once

#include <string>
#include <string_view>

namespace calve::http {

// Everything but unreserved characters (letters, digits, - _ . ~) becomes %XX.
std::string PercentEncoded(std::string_view text);
// Undoes it; a % that no two hexadecimal digits follow stands for itself. A plus stays one.
std::string PercentDecoded(std::string_view text);

}  // namespace calve::http
