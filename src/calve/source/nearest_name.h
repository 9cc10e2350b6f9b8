// "did you mean": the name that was most likely meant.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace calve::source {

// Insertions, deletions, replacements and swaps of neighbours that make one of the other, letter case aside.
int EditDistance(std::string_view a, std::string_view b);

// The one of `names` nearest to `name`; empty where none is near enough (a third of its length, two edits at least).
std::string NearestName(std::string_view name, const std::vector<std::string>& names);

}  // namespace calve::source
