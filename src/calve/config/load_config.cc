#include "calve/config/load_config.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <utility>

#include "calve/config/key.h"
#include "calve/config/reader.h"
#include "calve/config/rules.h"
#include "calve/config/yaml_document.h"

namespace calve::config {
namespace {

constexpr size_t kTablesMax = 1000;

// The paths of the tables that were read into `config`.
std::vector<std::string> ReadTables(Reader& reader, const Node& root, Config& config, Findings& findings) {
  std::vector<std::string> paths;
  TableConfig defaults;
  const Node* general = Find(root, "defaults");
  if (general && general->kind != Node::Kind::kNull)
    reader.ReadMapping(DefaultsKeys(), *general, "defaults", &defaults);
  const Node* list = Find(root, "tables");
  if (!list || list->kind == Node::Kind::kNull) return paths;
  if (list->kind != Node::Kind::kSequence) {
    findings.Add(list->mark, "tables", fmt::format("a list is expected, and {} stands here", KindName(*list)),
                 "Begin each table with '- '.");
    return paths;
  }
  if (list->items.empty()) findings.Add(list->mark, "tables", "there is no table", "List at least one.");
  if (list->items.size() > kTablesMax) {
    findings.Add(list->mark, "tables", fmt::format("more than {} tables", kTablesMax), "Split the file.");
    return paths;
  }
  for (size_t i = 0; i < list->items.size(); ++i) {
    std::string path = fmt::format("tables[{}]", i);
    TableConfig table = defaults;
    reader.InheritWritten(path);
    reader.ReadMapping(TableKeys(), list->items[i], path, &table);
    if (list->items[i].kind != Node::Kind::kMapping) continue;
    config.tables.push_back(std::move(table));
    paths.push_back(std::move(path));
  }
  return paths;
}

}  // namespace

Result<Config> ParseConfig(const std::string& text, const std::string& file, const Environment& environment) {
  Findings findings(file);
  Config config;
  config.file = file;
  std::optional<Node> root = ParseYaml(text, findings);
  if (!root) return findings.ToStatus();
  Reader reader(environment, std::filesystem::path(file).parent_path().string(), findings);
  reader.ReadMapping(FileKeys(), *root, "", &config);
  reader.set_catalog_name(config.catalog.name);
  const std::vector<std::string> paths = ReadTables(reader, *root, config, findings);
  config.as_written = reader.TakeWritten();
  ApplyRules(reader, paths, &config, &findings);
  ARROW_RETURN_NOT_OK(findings.ToStatus());
  return config;
}

Result<Config> LoadConfig(const std::string& path, const Environment& environment) {
  std::error_code failed;
  const bool is_folder = std::filesystem::is_directory(path, failed);
  errno = 0;
  std::ifstream in(path, std::ios::binary);
  if (is_folder || !in) {
    return MakeError(ErrorKind::kConfig,
                     fmt::format("the configuration {} cannot be read: {}", path,
                                 is_folder    ? "it is a folder"
                                 : errno != 0 ? std::strerror(errno)
                                              : "unknown reason"),
                     "Name it with --config FILE or CALVE_CONFIG (docs/config.md).");
  }
  std::string text(kFileBytesMax + 1, '\0');  // one more than is allowed: enough to be refused
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(in.gcount()));
  if (in.bad()) {
    return MakeError(ErrorKind::kConfig, fmt::format("the configuration {} cannot be read to its end", path));
  }
  return ParseConfig(text, path, environment);
}

Environment ProcessEnvironment() {
  return [](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());
    return value ? std::optional<std::string>(value) : std::nullopt;
  };
}

}  // namespace calve::config
