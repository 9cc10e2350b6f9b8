// Reading JSON that others wrote: every access checked, errors with the path of the offending member.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "calve/base/error.h"

namespace calve::iceberg {

// kCorrupt where `text` is not JSON (says where), or is nested deeper than any real metadata.
Result<nlohmann::json> ParseJson(std::string_view text);

// A value and the way to it. A child points at its parent: keep the parent alive and in place.
class JsonNode {
 public:
  explicit JsonNode(const nlohmann::json& root) : value_(&root) {}

  // "$.snapshots[3].snapshot-id".
  std::string Path() const;
  // kCorrupt at this path.
  Status Error(std::string_view what) const;

  Status ExpectObject() const;
  Status ExpectArray() const;
  bool IsObject() const;
  // The member; nullopt where it is absent or null, or this is no object.
  std::optional<JsonNode> Find(std::string_view key) const;
  // The member; kCorrupt where it is absent or null.
  Result<JsonNode> Get(std::string_view key) const;
  size_t size() const;
  JsonNode At(size_t index) const;  // of an array

  Result<int64_t> AsInt64() const;
  Result<int> AsInt() const;
  Result<bool> AsBool() const;
  Result<std::string> AsString() const;

  Result<int64_t> GetInt64(std::string_view key) const;
  Result<int> GetInt(std::string_view key) const;
  Result<bool> GetBool(std::string_view key) const;
  Result<std::string> GetString(std::string_view key) const;
  Result<std::optional<int64_t>> FindInt64(std::string_view key) const;
  Result<std::optional<int>> FindInt(std::string_view key) const;
  Result<std::string> FindString(std::string_view key, std::string_view fallback) const;

  // An object's members that are not among `known` (sorted), as a JSON object; empty where there are none.
  std::string Rest(const std::vector<std::string_view>& known) const;
  const nlohmann::json& value() const { return *value_; }

  // Calls visit(const JsonNode&) -> Status for each element, visit(key, const JsonNode&) -> Status for each member.
  template <typename Visit>
  Status ForEach(Visit visit) const;

 private:
  JsonNode(const nlohmann::json& value, const JsonNode* parent, std::string_view key, size_t index)
      : value_(&value), parent_(parent), key_(key), index_(index) {}
  Status WrongType(std::string_view expected) const;

  const nlohmann::json* value_;
  const JsonNode* parent_ = nullptr;
  std::string_view key_;  // a member's; empty for an element
  size_t index_ = 0;
};

template <typename Visit>
Status JsonNode::ForEach(Visit visit) const {
  ARROW_RETURN_NOT_OK(ExpectArray());
  for (size_t i = 0, count = size(); i < count; ++i) ARROW_RETURN_NOT_OK(visit(At(i)));
  return Status::OK();
}

}  // namespace calve::iceberg
