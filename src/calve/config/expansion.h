// ${NAME} and ${NAME:-default} inside values; $$ is a dollar.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "calve/base/error.h"

namespace calve::config {

// The value of a variable; nothing where it is not set.
using Environment = std::function<std::optional<std::string>(const std::string& name)>;

struct Expanded {
  std::string text;
  bool from_environment = false;  // it may be a secret: never to be shown
};

// The default stands for a variable that is not set or empty. kConfig for a variable that is not set, a '$' that begins
// nothing, and what grows too large; messages show names, never values.
Result<Expanded> Expand(std::string_view written, const Environment& environment);

// Whether a value as written takes something from the environment.
bool HasExpansion(std::string_view written);

}  // namespace calve::config
