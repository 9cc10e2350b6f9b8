// The questions to ClickHouse that a survey asks.
#pragma once

#include <string>

#include "calve/source/source.h"
#include "calve/survey/facts.h"

namespace calve::survey {

// All tables and views that the user may see of `database`; the source's own where it is empty. kNotFound, with the
// names that there are, where there is no such database; kConfig where it has no table.
Result<DatabaseFacts> AskDatabase(source::Source& source, const std::string& database);

}  // namespace calve::survey
