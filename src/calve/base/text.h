// Small operations on text that several layers need. Pure; ASCII alone changes, whatever the locale.
#pragma once

#include <string>
#include <string_view>

namespace calve {

std::string Lower(std::string_view text);

// Without the spaces, tabs and line ends at both ends: a view into `text`.
std::string_view Trimmed(std::string_view text);

}  // namespace calve
