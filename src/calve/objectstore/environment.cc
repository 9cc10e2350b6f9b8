#include "calve/objectstore/environment.h"

#include <cstdlib>

namespace calve::objectstore {

Environment ProcessEnvironment() {
  return [](const std::string& name) {
    const char* value = std::getenv(name.c_str());
    return std::string(value ? value : "");
  };
}

}  // namespace calve::objectstore
