// A loaded configuration as it could stand in a file, with every default and everything resolved.
#pragma once

#include <string>

#include "calve/config/config.h"
#include "calve/config/key.h"

namespace calve::config {

// Fit to be shown: what came from the environment is as the file has it, and settings and properties whose names speak
// of secrets are masked.
Json ResolvedJson(const Config& config);

// The same as YAML.
std::string ResolvedYaml(const Config& config);

}  // namespace calve::config
