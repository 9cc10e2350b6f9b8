// Values as text of a YAML file that this loader and other readers take for the same.
#pragma once

#include <string>

#include "calve/config/key.h"

namespace calve::config {

// A text, number or boolean: without quotes where every reader takes it for what it is, else as a string in double
// quotes. Bytes that are not UTF-8 are replaced.
std::string InYaml(const Json& scalar);

// "US$" would begin a variable where it is read again: "US$$".
std::string WithDollarsDoubled(const std::string& text);

}  // namespace calve::config
