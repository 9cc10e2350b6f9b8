// A text of a service's JSON answer; empty where there is none, or something else.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace calve::objectstore {

inline std::string JsonText(const nlohmann::json& json, const char* name) {
  if (!json.is_object()) return "";
  const auto found = json.find(name);
  return found != json.end() && found->is_string() ? found->get<std::string>() : std::string();
}

}  // namespace calve::objectstore
