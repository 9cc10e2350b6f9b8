#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "calve/catalog/catalog.h"

namespace calve::catalog {

std::string TableIdent::ToString() const {
  std::string text;
  for (const std::string& level : levels) text += level + ".";
  return text + name;
}

Result<TableIdent> ParseTableIdent(std::string_view text, std::string_view catalog_name) {
  auto bad = [&](std::string_view why) {
    return MakeError(ErrorKind::kConfig, fmt::format("'{}' is not the name of a target table: {}", text, why),
                     "Write it as namespace.table.");
  };
  std::vector<std::string> parts;
  for (std::string_view rest = text;;) {
    size_t dot = rest.find('.');
    parts.emplace_back(rest.substr(0, dot));
    if (parts.back().empty()) return bad("a part of it is empty");
    if (dot == std::string_view::npos) break;
    rest.remove_prefix(dot + 1);
  }
  if (parts.size() >= 3 && !catalog_name.empty() && parts.front() == catalog_name) parts.erase(parts.begin());
  if (parts.size() < 2) return bad("it names no namespace");
  TableIdent ident;
  ident.name = std::move(parts.back());
  parts.pop_back();
  ident.levels = std::move(parts);
  return ident;
}

}  // namespace calve::catalog
