// The process's environment, as a value: tests have their own.
#pragma once

#include <functional>
#include <string>

namespace calve::objectstore {

// Empty where the variable is not set.
using Environment = std::function<std::string(const std::string& name)>;

Environment ProcessEnvironment();

}  // namespace calve::objectstore
