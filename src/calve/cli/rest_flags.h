// Options about REST catalogs.
#pragma once

#include <CLI/App.hpp>

#include "calve/cli/session.h"

namespace calve::cli {

void AddRestFlags(CLI::App& command, RestFlags& flags);
// What they say, as the configuration file would.
Status ApplyRestFlags(const RestFlags& flags, config::CatalogConfig& catalog);

}  // namespace calve::cli
