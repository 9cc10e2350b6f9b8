#include "calve/config/reference.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "calve/config/key.h"

namespace calve::config {
namespace {

constexpr const char* kHead = R"(# Keys of the configuration file

Written by `calve config --reference`; [config.md](config.md) explains how they go together, and
[calve.schema.json](calve.schema.json) tells editors. Durations are written `250ms`, `90s`, `5m`, `2h30m`, `7d`; sizes `512MB` (10^6),
`512MiB` (2^20); times `2024-08-09T00:15:00Z`. A key in **bold** has to be there. Every value may hold `${NAME}` and `${NAME:-default}`.
)";

std::string ValueText(const Key& key) {
  switch (key.form) {
    case Form::kText:
      return "text";
    case Form::kUrl:
      return "URL";
    case Form::kFile:
      return "file";
    case Form::kInteger:
      return "number";
    case Form::kBoolean:
      return "`true`, `false`";
    case Form::kDuration:
      return "duration";
    case Form::kBytes:
      return "size";
    case Form::kPercent:
      return "percentage, `80%`";
    case Form::kRows:
      return "rows, `50M`";
    case Form::kTime:
      return "time, `beginning`";
    case Form::kChoice:
      return fmt::format("`{}`", fmt::join(key.choices, "`, `"));
    case Form::kType:
      return "Iceberg type";
    case Form::kScalar:
      return "text, number, `true`, `false`";
    case Form::kTexts:
      return "list of text";
    case Form::kScalars:
      return "`name: value` pairs";
    case Form::kMapping:
      return "mapping";
    case Form::kMappings:
      return "`name:` mapping";
    case Form::kList:
      return "list of mappings";
  }
  return "";
}

std::string InCell(const std::string& text) {
  std::string out;
  for (char c : text) out += c == '|' ? std::string("\\|") : std::string(1, c);
  return out;
}

// The rows of a mapping's keys, those of mappings inside below their own: cursor, cursor.timestamp …
void AddRows(const Mapping& mapping, const std::string& prefix, std::string& out) {
  for (const Key& key : mapping.keys) {
    const std::string name = fmt::format("`{}{}`", prefix, key.name);
    const std::string fallback = key.fallback.is_null()     ? ""
                                 : key.fallback.is_string() ? fmt::format("`{}`", key.fallback.get<std::string>())
                                                            : fmt::format("`{}`", key.fallback.dump());
    out += fmt::format("| {} | {} | {} | {} |\n", key.is_required ? fmt::format("**{}**", name) : name,
                       InCell(ValueText(key)), InCell(fallback), InCell(key.meaning));
    if (!key.mapping) continue;
    AddRows(*key.mapping, prefix + key.name + (key.form == Form::kMappings ? ".NAME." : "."), out);
  }
}

void AddSection(const Key& key, std::string& out) {
  out += fmt::format("\n## `{}`{}\n\n{}\n\n", key.name, key.is_required ? " (required)" : "", key.meaning);
  if (key.name == "defaults") {
    std::vector<std::string> names = key.mapping->misplaced;
    out += fmt::format("The keys of [`tables`](#tables-required) but `{}`.\n", fmt::join(names, "`, `"));
    return;
  }
  if (!key.mapping) {
    out += fmt::format("{}; default: `{}`.\n", ValueText(key), key.fallback.get<std::string>());
    return;
  }
  out += "| key | value | default | meaning |\n| --- | --- | --- | --- |\n";
  AddRows(*key.mapping, "", out);
}

}  // namespace

std::string ReferenceText() {
  std::string out = kHead;
  for (const Key& key : FileKeys().keys) AddSection(key, out);
  return out;
}

}  // namespace calve::config
