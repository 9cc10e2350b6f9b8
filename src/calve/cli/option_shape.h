// What help does not say of an option but manual pages and completion need: which kind of value it takes.
#pragma once

#include <CLI/App.hpp>
#include <string>
#include <vector>

namespace calve::cli {

// Of the type's name as CLI11 has it, "TEXT:{auto,none}": the words between the braces; empty where any value will do.
std::vector<std::string> ChoicesOf(const CLI::Option& option);

bool TakesValue(const CLI::Option& option);
bool IsRepeatable(const CLI::Option& option);
// By the name, as all of calve's: --config, --…-file, and a positional `file`.
bool TakesFile(const CLI::Option& option);

// "FILE", "N", "auto|none", "VALUE"; empty for a flag.
std::string ValueName(const CLI::Option& option);

// "--name" for a long one, "-n" for a short one; of the option, longest first.
std::vector<std::string> SpellingsOf(const CLI::Option& option);

// Those that are shown to people, in the order in which they were added.
std::vector<const CLI::Option*> VisibleOptions(const CLI::App& app);
std::vector<const CLI::App*> VisibleCommands(const CLI::App& app);

}  // namespace calve::cli
