#include "calve/config/expansion.h"

#include <fmt/format.h>

#include <cctype>

namespace calve::config {
namespace {

constexpr size_t kBytesMax = 1 << 20;

bool IsName(std::string_view text) {
  if (text.empty() || std::isdigit(static_cast<unsigned char>(text[0]))) return false;
  for (char c : text) {
    if (!std::isalnum(static_cast<unsigned char>(c)) && c != '_') return false;
  }
  return true;
}

// What stands between the braces: NAME or NAME:-default.
Result<std::string> ValueOf(std::string_view inside, const Environment& environment) {
  const size_t mark = inside.find(":-");
  const std::string name(inside.substr(0, mark));
  if (!IsName(name)) {
    return MakeError(ErrorKind::kConfig, fmt::format("'${{{}}}' names no variable", inside.substr(0, 100)),
                     "Write ${NAME} or ${NAME:-default}; a dollar that is meant as one is written $$.");
  }
  std::optional<std::string> value = environment(name);
  if (mark != std::string_view::npos) {
    std::string fallback(inside.substr(mark + 2));
    if (fallback.find("${") != std::string::npos) {
      return MakeError(ErrorKind::kConfig, fmt::format("the default of ${{{}}} holds another variable", name),
                       "Nest no variables; set one of them outside.");
    }
    return value && !value->empty() ? *value : fallback;
  }
  if (value) return *value;
  return MakeError(ErrorKind::kConfig, fmt::format("the environment variable {} is not set", name),
                   fmt::format("Set {0}, or give a default: ${{{0}:-default}}.", name));
}

}  // namespace

bool HasExpansion(std::string_view written) {
  for (size_t i = 0; i + 1 < written.size(); ++i) {
    if (written[i] != '$') continue;
    if (written[i + 1] == '{') return true;
    ++i;  // $$
  }
  return false;
}

Result<Expanded> Expand(std::string_view written, const Environment& environment) {
  Expanded out;
  while (!written.empty()) {
    const size_t dollar = written.find('$');
    out.text += written.substr(0, dollar);
    if (dollar == std::string_view::npos) break;
    written.remove_prefix(dollar + 1);
    if (written.starts_with('$')) {
      out.text += '$';
      written.remove_prefix(1);
      continue;
    }
    const size_t end = written.find('}');
    if (!written.starts_with('{') || end == std::string_view::npos) {
      return MakeError(ErrorKind::kConfig, "a '$' that begins no ${NAME}",
                       "Write $$ for a dollar, ${NAME} for a variable.");
    }
    ARROW_ASSIGN_OR_RAISE(std::string value, ValueOf(written.substr(1, end - 1), environment));
    out.text += value;
    out.from_environment = true;
    written.remove_prefix(end + 1);
    if (out.text.size() > kBytesMax) {
      return MakeError(ErrorKind::kConfig,
                       fmt::format("with its variables the value has more than {} bytes", kBytesMax));
    }
  }
  return out;
}

}  // namespace calve::config
