// What keys have to do with each other: names, targets, order, limits; and what follows from what is not given.
#pragma once

#include <string>
#include <vector>

#include "calve/config/config.h"
#include "calve/config/findings.h"
#include "calve/config/reader.h"

namespace calve::config {

// `paths` are those of config.tables ("tables[3]"). Fills in names, `after`, memory and settings that follow from
// others.
void ApplyRules(const Reader& reader, const std::vector<std::string>& paths, Config* config, Findings* findings);

}  // namespace calve::config
