// Every key with its values, default and meaning, for people.
#pragma once

#include <string>

namespace calve::config {

// Markdown; the text of docs/config-reference.md.
std::string ReferenceText();

}  // namespace calve::config
