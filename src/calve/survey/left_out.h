// Why a table or view of the database is not offloaded. Pure.
#pragma once

#include <string>
#include <vector>

#include "calve/survey/facts.h"
#include "calve/survey/view_statement.h"

namespace calve::survey {

std::string ReasonFor(const DatabaseFacts& facts, const OtherFacts& other, const std::vector<ViewStatement>& views);

// Of ".inner.v" and ".inner_id.…", where a materialised view keeps its rows; empty for other tables.
std::string InnerTableReason(const std::string& table);

}  // namespace calve::survey
