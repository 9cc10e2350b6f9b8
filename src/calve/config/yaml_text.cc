#include "calve/config/yaml_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstddef>
#include <string_view>
#include <utility>

#include "calve/base/text.h"
#include "calve/config/yaml_document.h"

namespace calve::config {
namespace {

// Text that every reader of YAML takes for text, without quotes: a word, or a number with a unit.
bool IsPlain(const std::string& text) {
  constexpr std::array<std::string_view, 7> kWords = {"null", "yes", "no", "on", "off", "y", "n"};
  const std::string lower = Lower(text);
  if (text.empty() || std::ranges::find(kWords, lower) != kWords.end()) return false;
  const size_t unit = text.find_first_not_of("0123456789");
  if (unit == std::string::npos || unit == 0) {
    Node node;
    node.text = text;
    return std::isalpha(static_cast<unsigned char>(text[0])) && ScalarKindOf(node) == ScalarKind::kText &&
           std::ranges::all_of(text, [](unsigned char c) { return std::isalnum(c) || c == '_' || c == '.'; });
  }
  return std::all_of(text.begin() + static_cast<ptrdiff_t>(unit), text.end(),
                     [](unsigned char c) { return std::isalpha(c); });
}

// What JSON leaves as it is, and YAML does not allow or takes for a line's end: DEL, C1, U+2028, U+2029, U+FEFF, U+FFFE
// and U+FFFF.
std::string WithControlsEscaped(const std::string& text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    auto byte = [&](size_t k) { return i + k < text.size() ? static_cast<unsigned char>(text[i + k]) : 0u; };
    const unsigned three = (byte(0) & 0x0fu) << 12 | (byte(1) & 0x3fu) << 6 | (byte(2) & 0x3fu);
    const bool is_three = (byte(0) & 0xf0u) == 0xe0;
    if (byte(0) == 0x7f) {
      out += "\\x7f";
    } else if (byte(0) == 0xc2 && byte(1) < 0xa0) {
      out += fmt::format("\\x{:02x}", byte(1));
      ++i;
    } else if (is_three && (three == 0x2028 || three == 0x2029 || three == 0xfeff || three >= 0xfffe)) {
      out += fmt::format("\\u{:04x}", three);
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

}  // namespace

std::string InYaml(const Json& scalar) {
  if (!scalar.is_string()) return scalar.dump();
  if (IsPlain(scalar.get_ref<const std::string&>())) return scalar.get<std::string>();
  // JSON's strings are YAML's in double quotes.
  return WithControlsEscaped(scalar.dump(-1, ' ', false, Json::error_handler_t::replace));
}

std::string WithDollarsDoubled(const std::string& text) {
  std::string out;
  for (char c : text) out += c == '$' ? std::string("$$") : std::string(1, c);
  return out;
}

}  // namespace calve::config
