// Manual pages, made of what the commands say of themselves.
#pragma once

#include <CLI/App.hpp>
#include <string>
#include <vector>

#include "calve/cli/program_version.h"

namespace calve::cli {

struct ManualPage {
  std::string name;  // "calve-offload.1"
  std::string text;  // in man(7)'s macros
};

// One of the program and one of each command.
std::vector<ManualPage> ManualPages(const CLI::App& app, const BuildInfo& build);

// A text so that roff prints it as it is.
std::string RoffText(const std::string& text);

}  // namespace calve::cli
