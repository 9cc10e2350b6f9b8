// What to do where a table is not in the catalog: the name that was meant, or what there is.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "calve/catalog/catalog.h"

namespace calve::cli {

// `tables`: of the table's namespace; nullopt where there is no such namespace, but `namespaces`.
std::string MissingTableRemedy(const std::string& table, const std::optional<std::vector<std::string>>& tables,
                               const std::vector<std::string>& namespaces);

// A status that says that the table is not there gets a remedy, from what the catalog lists; any other one, and one
// that has a remedy, stays as it is.
Status ExplainMissingTable(const Status& status, const catalog::TableIdent& ident, catalog::Catalog& catalog);

}  // namespace calve::cli
