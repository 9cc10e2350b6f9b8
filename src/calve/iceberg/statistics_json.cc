#include "calve/iceberg/statistics_json.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "calve/iceberg/json_reader.h"

namespace calve::iceberg {
namespace {

constexpr const char* kLists[] = {"statistics", "partition-statistics"};

}  // namespace

Result<std::string> WithoutStatistics(const std::string& extra_json, const std::set<int64_t>& snapshot_ids) {
  if (extra_json.empty()) return extra_json;
  ARROW_ASSIGN_OR_RAISE(nlohmann::json document, ParseJson(extra_json));
  for (const char* name : kLists) {
    auto list = document.find(name);
    if (list == document.end() || !list->is_array()) continue;
    nlohmann::json kept = nlohmann::json::array();
    for (const nlohmann::json& entry : *list) {
      JsonNode node(entry);
      auto id = node.GetInt64("snapshot-id");
      if (!id.ok() || !snapshot_ids.contains(*id)) kept.push_back(entry);
    }
    *list = std::move(kept);
  }
  return document.dump();
}

Result<std::string> WithStatistics(const std::string& extra_json, int64_t snapshot_id, const std::string& entry) {
  nlohmann::json document = nlohmann::json::object();
  if (!extra_json.empty()) {
    ARROW_ASSIGN_OR_RAISE(document, ParseJson(extra_json));
  }
  nlohmann::json& list = document["statistics"];
  nlohmann::json kept = nlohmann::json::array();
  for (const nlohmann::json& other : list.is_array() ? list : nlohmann::json::array()) {
    const auto id = JsonNode(other).GetInt64("snapshot-id");
    if (!id.ok() || *id != snapshot_id) kept.push_back(other);
  }
  ARROW_ASSIGN_OR_RAISE(nlohmann::json parsed, ParseJson(entry));
  kept.push_back(std::move(parsed));
  list = std::move(kept);
  return document.dump();
}

Result<bool> HasStatistics(const std::string& extra_json, int64_t snapshot_id) {
  if (extra_json.empty()) return false;
  ARROW_ASSIGN_OR_RAISE(const nlohmann::json document, ParseJson(extra_json));
  const std::optional<JsonNode> list = JsonNode(document).Find("statistics");
  if (!list) return false;
  ARROW_RETURN_NOT_OK(list->ExpectArray());
  for (size_t i = 0; i < list->size(); ++i) {
    const auto id = list->At(i).GetInt64("snapshot-id");
    if (id.ok() && *id == snapshot_id) return true;
  }
  return false;
}

Result<std::vector<std::string>> StatisticsFiles(const std::string& extra_json) {
  std::vector<std::string> files;
  if (extra_json.empty()) return files;
  ARROW_ASSIGN_OR_RAISE(const nlohmann::json document, ParseJson(extra_json));
  const JsonNode root(document);
  for (const char* name : kLists) {
    const std::optional<JsonNode> list = root.Find(name);
    if (!list) continue;
    ARROW_RETURN_NOT_OK(list->ExpectArray());
    for (size_t i = 0; i < list->size(); ++i) {
      const JsonNode entry = list->At(i);
      ARROW_ASSIGN_OR_RAISE(std::string file, entry.GetString("statistics-path"));
      files.push_back(std::move(file));
    }
  }
  return files;
}

}  // namespace calve::iceberg
