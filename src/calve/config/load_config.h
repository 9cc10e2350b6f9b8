// A configuration file, read strictly.
#pragma once

#include <string>

#include "calve/config/config.h"
#include "calve/config/expansion.h"

namespace calve::config {

// Everything that is wrong with the text in one kConfig error, a line for each with file, line, column and path
// (findings.h). `file` is what messages call it and where relative files are looked for. Nothing but the environment is
// asked; no file is opened.
Result<Config> ParseConfig(const std::string& text, const std::string& file, const Environment& environment);

// The same of a file. kConfig where it cannot be read.
Result<Config> LoadConfig(const std::string& path, const Environment& environment);

// The process's own variables.
Environment ProcessEnvironment();

}  // namespace calve::config
