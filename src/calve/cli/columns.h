// How much room text takes on a terminal, and text that fits. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace calve::cli {

// Columns of UTF-8 text without control characters: 2 for what East Asian writing is set as, 0 for what combines.
size_t DisplayWidth(std::string_view text);
// At most `width` columns; what is cut off is shown as "…".
std::string Fitted(std::string_view text, size_t width);
// Exactly `width` columns: cut, or filled with blanks on the right (left: `right_aligned`).
std::string Padded(std::string_view text, size_t width, bool right_aligned = false);

// Text of others (a server's words, values) that can neither move a terminal's cursor nor begin a line of its own: what
// controls it is shown as \n, \x1b, \u202e; bytes that are no UTF-8 as U+FFFD. `keeps_lines`: line ends stay.
std::string Neutralised(std::string_view text, bool keeps_lines = false);

}  // namespace calve::cli
