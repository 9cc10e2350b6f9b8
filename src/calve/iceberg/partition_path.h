// The texts that Java's PartitionSpec.partitionToPath is made of. Paths only name files; nothing reads values back from
// them.
#pragma once

#include <string>
#include <string_view>

#include "calve/iceberg/transform.h"

namespace calve::iceberg {

// As Java's URLEncoder: letters, digits and ".-*_" stay, a blank becomes "+", every other UTF-8 byte "%XX".
std::string UrlEncode(std::string_view text);

// `value` is a result of `transform` applied to a column of type `source`: "2024-08-09" for a day, "2024-08-09-10" for
// an hour, "2024" for a year, base64 for binary and fixed, decimals and floating point numbers as Java prints them.
std::string PartitionValueText(const Transform& transform, const Type& source, const Literal& value);

}  // namespace calve::iceberg
