#include "calve/cli/missing_table.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "calve/base/error.h"
#include "calve/source/nearest_name.h"

namespace calve::cli {
namespace {

constexpr size_t kNamesShown = 10;

std::string FirstNames(std::vector<std::string> names) {
  std::sort(names.begin(), names.end());
  const size_t more = names.size() > kNamesShown ? names.size() - kNamesShown : 0;
  names.resize(names.size() - more);
  return fmt::format("{}{}", fmt::join(names, ", "), more > 0 ? fmt::format(" and {} more", more) : "");
}

}  // namespace

std::string MissingTableRemedy(const std::string& table, const std::optional<std::vector<std::string>>& tables,
                               const std::vector<std::string>& namespaces) {
  constexpr const char* kNothingYet =
      "The first cycle makes the table: calve run. Else check --warehouse and --catalog.";
  if (!tables) {
    if (namespaces.empty()) return fmt::format("There is no table at all. {}", kNothingYet);
    return fmt::format("There is no such namespace, but {}. {}", FirstNames(namespaces), kNothingYet);
  }
  if (tables->empty()) return fmt::format("Its namespace is empty. {}", kNothingYet);
  const std::string nearest = source::NearestName(table, *tables);
  if (!nearest.empty()) return fmt::format("Did you mean {}?", nearest);
  return fmt::format("There are {}. {}", FirstNames(*tables), kNothingYet);
}

Status ExplainMissingTable(const Status& status, const catalog::TableIdent& ident, catalog::Catalog& catalog) {
  if (KindOf(status) != ErrorKind::kNotFound || !RemedyOf(status).empty()) return status;
  // What cannot be listed leaves the message as it was: it is what the operator has to know.
  const auto levels = catalog.ListNamespaces();
  if (!levels.ok()) return status;
  std::vector<std::string> namespaces;
  for (const auto& one : *levels) namespaces.push_back(fmt::format("{}", fmt::join(one, ".")));
  std::optional<std::vector<std::string>> tables;
  if (std::find(levels->begin(), levels->end(), ident.levels) != levels->end()) {
    const auto listed = catalog.ListTables(ident.levels);
    if (!listed.ok()) return status;
    tables.emplace();
    for (const catalog::TableIdent& one : *listed) tables->push_back(one.ToString());
    // The table is there: something of it is not, and that is another story.
    if (std::find(listed->begin(), listed->end(), ident) != listed->end()) return status;
  }
  return WithKind(status, ErrorKind::kNotFound, MissingTableRemedy(ident.ToString(), tables, namespaces));
}

}  // namespace calve::cli
