#include "calve/source/distributed_table.h"

#include <string_view>
#include <vector>

namespace calve::source {
namespace {

constexpr std::string_view kEngine = "Distributed(";

// The texts between the commas of the outermost parentheses, from `at` on; none where they do not close.
std::vector<std::string> Arguments(const std::string& text, size_t at) {
  std::vector<std::string> arguments;
  std::string argument;
  int depth = 0;
  for (; at < text.size(); ++at) {
    const char c = text[at];
    if (c == '\'' || c == '`' || c == '"') {
      const size_t begin = at;
      for (++at; at < text.size() && text[at] != c; ++at) at += text[at] == '\\';
      argument += text.substr(begin, at - begin + 1);
    } else if (depth == 0 && (c == ',' || c == ')')) {
      arguments.push_back(std::move(argument));
      argument.clear();
      if (c == ')') return arguments;
    } else if (c != ' ' || !argument.empty()) {
      depth += (c == '(') - (c == ')');
      argument += c;
    }
  }
  return {};
}

// A name or a quoted text; empty where it is an expression.
std::string NameIn(const std::string& argument) {
  const bool quoted = argument.size() >= 2 && (argument.front() == '\'' || argument.front() == '`');
  if (!quoted) return argument.find('(') == std::string::npos ? argument : "";
  std::string name;
  for (size_t at = 1; at + 1 < argument.size(); ++at) {
    if (argument[at] == '\\' && at + 2 < argument.size()) ++at;
    name += argument[at];
  }
  return name;
}

}  // namespace

std::optional<DistributedOver> ParseDistributed(const std::string& engine_full) {
  if (!engine_full.starts_with(kEngine)) return std::nullopt;
  const std::vector<std::string> arguments = Arguments(engine_full, kEngine.size());
  if (arguments.size() < 3) return std::nullopt;
  DistributedOver over{NameIn(arguments[0]), NameIn(arguments[1]), NameIn(arguments[2]), ""};
  if (over.table.empty()) return std::nullopt;
  if (arguments.size() > 3) over.sharding_key = arguments[3];
  return over;
}

}  // namespace calve::source
