#include "calve/iceberg/json_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

namespace calve::iceberg {
namespace {

using nlohmann::json;

constexpr int kDepthMax = 200;

// Nesting is bounded before anything recurses over the parsed value.
bool TooDeep(std::string_view text) {
  int depth = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      if (++depth > kDepthMax) return true;
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  return false;
}

}  // namespace

Result<json> ParseJson(std::string_view text) {
  if (TooDeep(text)) {
    return MakeError(ErrorKind::kCorrupt, fmt::format("JSON is nested deeper than {} levels", kDepthMax));
  }
  try {
    return json::parse(text.begin(), text.end());
  } catch (const json::parse_error& error) {
    return MakeError(ErrorKind::kCorrupt, fmt::format("not JSON: wrong at byte {} of {}", error.byte, text.size()));
  } catch (const json::exception&) {  // a number out of range
    return MakeError(ErrorKind::kCorrupt, "not JSON: a number is out of range");
  }
}

std::string JsonNode::Path() const {
  if (!parent_) return "$";
  if (key_.empty()) return fmt::format("{}[{}]", parent_->Path(), index_);
  return fmt::format("{}.{}", parent_->Path(), key_);
}

Status JsonNode::Error(std::string_view what) const {
  return MakeError(ErrorKind::kCorrupt, fmt::format("{}: {}", Path(), what));
}

Status JsonNode::WrongType(std::string_view expected) const {
  return Error(fmt::format("{} expected, {} found", expected, value_->type_name()));
}

Status JsonNode::ExpectObject() const { return value_->is_object() ? Status::OK() : WrongType("an object"); }

Status JsonNode::ExpectArray() const { return value_->is_array() ? Status::OK() : WrongType("an array"); }

bool JsonNode::IsObject() const { return value_->is_object(); }

std::optional<JsonNode> JsonNode::Find(std::string_view key) const {
  if (!value_->is_object()) return std::nullopt;
  auto found = value_->find(key);
  if (found == value_->end() || found->is_null()) return std::nullopt;
  return JsonNode(*found, this, key, 0);
}

Result<JsonNode> JsonNode::Get(std::string_view key) const {
  ARROW_RETURN_NOT_OK(ExpectObject());
  if (auto found = Find(key)) return *found;
  return Error(fmt::format("'{}' is missing", key));
}

size_t JsonNode::size() const { return value_->size(); }

JsonNode JsonNode::At(size_t index) const { return JsonNode((*value_)[index], this, "", index); }

Result<int64_t> JsonNode::AsInt64() const {
  if (value_->is_number_unsigned()) {
    auto value = value_->get<uint64_t>();
    if (value > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) return WrongType("a 64-bit integer");
    return static_cast<int64_t>(value);
  }
  if (!value_->is_number_integer()) return WrongType("an integer");
  return value_->get<int64_t>();
}

Result<int> JsonNode::AsInt() const {
  ARROW_ASSIGN_OR_RAISE(int64_t value, AsInt64());
  if (value < std::numeric_limits<int>::min() || value > std::numeric_limits<int>::max()) {
    return Error(fmt::format("{} does not fit 32 bits", value));
  }
  return static_cast<int>(value);
}

Result<bool> JsonNode::AsBool() const {
  if (!value_->is_boolean()) return WrongType("true or false");
  return value_->get<bool>();
}

Result<std::string> JsonNode::AsString() const {
  if (!value_->is_string()) return WrongType("a string");
  return value_->get_ref<const std::string&>();
}

Result<int64_t> JsonNode::GetInt64(std::string_view key) const {
  ARROW_ASSIGN_OR_RAISE(JsonNode node, Get(key));
  return node.AsInt64();
}

Result<int> JsonNode::GetInt(std::string_view key) const {
  ARROW_ASSIGN_OR_RAISE(JsonNode node, Get(key));
  return node.AsInt();
}

Result<bool> JsonNode::GetBool(std::string_view key) const {
  ARROW_ASSIGN_OR_RAISE(JsonNode node, Get(key));
  return node.AsBool();
}

Result<std::string> JsonNode::GetString(std::string_view key) const {
  ARROW_ASSIGN_OR_RAISE(JsonNode node, Get(key));
  return node.AsString();
}

Result<std::optional<int64_t>> JsonNode::FindInt64(std::string_view key) const {
  auto node = Find(key);
  if (!node) return std::optional<int64_t>();
  ARROW_ASSIGN_OR_RAISE(int64_t value, node->AsInt64());
  return std::optional<int64_t>(value);
}

Result<std::optional<int>> JsonNode::FindInt(std::string_view key) const {
  auto node = Find(key);
  if (!node) return std::optional<int>();
  ARROW_ASSIGN_OR_RAISE(int value, node->AsInt());
  return std::optional<int>(value);
}

Result<std::string> JsonNode::FindString(std::string_view key, std::string_view fallback) const {
  auto node = Find(key);
  return node ? node->AsString() : Result<std::string>(std::string(fallback));
}

std::string JsonNode::Rest(const std::vector<std::string_view>& known) const {
  json rest = json::object();
  for (const auto& [key, value] : value_->items()) {
    if (!std::binary_search(known.begin(), known.end(), std::string_view(key))) rest[key] = value;
  }
  return rest.empty() ? std::string() : rest.dump();
}

}  // namespace calve::iceberg
