#include "calve/cli/option_shape.h"

#include <algorithm>

namespace calve::cli {

std::vector<std::string> ChoicesOf(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  const size_t open = type.find('{'), close = type.find('}');
  std::vector<std::string> choices;
  if (open == std::string::npos || close == std::string::npos || close < open) return choices;
  size_t start = open + 1;
  while (start < close) {
    const size_t comma = std::min(type.find(',', start), close);
    choices.push_back(type.substr(start, comma - start));
    start = comma + 1;
  }
  return choices;
}

bool TakesValue(const CLI::Option& option) { return option.get_items_expected_max() > 0; }

bool IsRepeatable(const CLI::Option& option) { return option.get_items_expected_max() > 1; }

bool TakesFile(const CLI::Option& option) {
  if (!TakesValue(option)) return false;
  if (option.get_positional() && option.get_name(true) == "file") return true;
  return std::ranges::any_of(option.get_lnames(),
                             [](const std::string& name) { return name == "config" || name.ends_with("-file"); });
}

std::string ValueName(const CLI::Option& option) {
  if (!TakesValue(option)) return "";
  std::string joined;
  for (const std::string& choice : ChoicesOf(option)) joined += (joined.empty() ? "" : "|") + choice;
  if (!joined.empty()) return joined;
  if (TakesFile(option)) return "FILE";
  const std::string type = option.get_type_name();
  return type.starts_with("INT") || type.starts_with("UINT") || type.starts_with("FLOAT") ? "N" : "VALUE";
}

std::vector<std::string> SpellingsOf(const CLI::Option& option) {
  std::vector<std::string> spellings;
  for (const std::string& name : option.get_lnames()) spellings.push_back("--" + name);
  for (const std::string& name : option.get_snames()) spellings.push_back("-" + name);
  return spellings;
}

std::vector<const CLI::Option*> VisibleOptions(const CLI::App& app) {
  return app.get_options([](const CLI::Option* option) { return !option->get_group().empty(); });
}

std::vector<const CLI::App*> VisibleCommands(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App* command) { return !command->get_group().empty(); });
}

}  // namespace calve::cli
