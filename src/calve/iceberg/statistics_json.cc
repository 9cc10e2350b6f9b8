#include "calve/iceberg/statistics_json.h"

#include <nlohmann/json.hpp>

#include "calve/iceberg/json_reader.h"

namespace calve::iceberg {

Result<std::string> WithoutStatistics(const std::string& extra_json, const std::set<int64_t>& snapshot_ids) {
  if (extra_json.empty()) return extra_json;
  ARROW_ASSIGN_OR_RAISE(nlohmann::json document, ParseJson(extra_json));
  for (const char* name : {"statistics", "partition-statistics"}) {
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

}  // namespace calve::iceberg
