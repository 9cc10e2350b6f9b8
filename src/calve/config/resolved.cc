#include "calve/config/resolved.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>

#include "calve/base/text.h"
#include "calve/config/reader.h"
#include "calve/config/written.h"
#include "calve/config/yaml_text.h"

namespace calve::config {
namespace {

constexpr const char* kMask = "***";

bool NamesSecret(std::string_view key) {
  constexpr std::array<const char*, 8> kWords = {"password",   "secret",  "token",         "credential",
                                                 "access_key", "api_key", "authorization", "cookie"};
  std::string name = Lower(key);
  std::ranges::replace(name, '-', '_');
  return std::ranges::any_of(kWords, [&](const char* word) { return name.find(word) != std::string::npos; }) &&
         !name.ends_with("_file");
}

// Puts in what the file has, and masks.
void Hide(const std::map<std::string, std::string>& as_written, const std::string& path, Json& value) {
  if (auto found = as_written.find(path); found != as_written.end()) {
    value = found->second;
    return;
  }
  if (value.is_string()) {
    value = WithDollarsDoubled(value.get<std::string>());
  } else if (value.is_array()) {
    for (size_t i = 0; i < value.size(); ++i) Hide(as_written, fmt::format("{}[{}]", path, i), value[i]);
  } else if (value.is_object()) {
    for (auto& [name, inner] : value.items()) {
      Hide(as_written, PathOf(path, name), inner);
      if (inner.is_string() && NamesSecret(name)) inner = kMask;
    }
  }
}

void AppendYaml(const Json& value, size_t indent, std::string& out);

// Behind "key:" or "-": on the same line where it is short, else below.
void AppendValue(const Json& value, size_t indent, std::string& out) {
  if (value.is_array() && std::ranges::none_of(value, [](const Json& item) { return item.is_structured(); })) {
    out += " [";
    for (size_t i = 0; i < value.size(); ++i) out += (i > 0 ? ", " : "") + InYaml(value[i]);
    out += "]\n";
  } else if (value.is_structured() && !value.empty()) {
    out += '\n';
    AppendYaml(value, indent, out);
  } else {
    out += " " + (value.is_structured() ? std::string("{}") : InYaml(value)) + "\n";
  }
}

void AppendYaml(const Json& value, size_t indent, std::string& out) {
  const std::string blanks(indent, ' ');
  if (value.is_object()) {
    for (const auto& [name, inner] : value.items()) {
      out += blanks + InYaml(Json(name)) + ":";
      AppendValue(inner, indent + 2, out);
    }
    return;
  }
  for (const Json& item : value) {
    std::string text;
    AppendYaml(item, indent + 2, text);
    out += blanks + "- " + text.substr(std::min(text.size(), indent + 2));
  }
}

}  // namespace

Json ResolvedJson(const Config& config) {
  Json out = WrittenMapping(FileKeys(), &config);
  if (!config.schedule.cron.empty()) {
    for (const char* replaced : {"every", "offset"}) out["schedule"].erase(replaced);
  }
  out["tables"] = Json::array();
  for (const TableConfig& table : config.tables) {
    Json written = WrittenMapping(TableKeys(), &table);
    written["after"] = table.after;  // said even where it is empty: that is what was resolved
    out["tables"].push_back(std::move(written));
  }
  Hide(config.as_written, "", out);
  return out;
}

std::string ResolvedYaml(const Config& config) {
  std::string out;
  AppendYaml(ResolvedJson(config), 0, out);
  return out;
}

}  // namespace calve::config
