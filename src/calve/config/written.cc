#include "calve/config/written.h"

#include <fmt/format.h>

#include <array>
#include <utility>

#include "calve/config/row_count.h"

namespace calve::config {
namespace {

// The largest unit that says it exactly: 536870912 is 512MiB.
std::string FormatBytes(int64_t bytes) {
  constexpr std::array<std::pair<const char*, int64_t>, 4> kUnits = {
      {{"TiB", int64_t{1} << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}}};
  for (const auto& [name, size] : kUnits) {
    if (bytes != 0 && bytes % size == 0) return fmt::format("{}{}", bytes / size, name);
  }
  return fmt::format("{}B", bytes);
}

Json NumberOrText(const Scalar& scalar) {
  if (scalar.kind == Scalar::Kind::kText) return scalar.text;
  Json parsed = Json::parse(scalar.text, nullptr, /*allow_exceptions=*/false);
  return parsed.is_discarded() ? Json(scalar.text) : parsed;
}

}  // namespace

// Nothing is said by leaving a key out only where that is what it is by default.
Json Written(const Key& key, const std::string& value) {
  const bool says_nothing = value.empty() && (!key.fallback.is_string() || key.fallback == "");
  return says_nothing ? Json() : Json(value);
}

Json Written(const Key& key, int64_t value) {
  switch (key.form) {
    case Form::kDuration:
      return FormatDuration(value);
    case Form::kBytes:
      return value == 0 && key.minimum > 0 ? Json() : Json(FormatBytes(value));
    case Form::kPercent:
      return fmt::format("{}%", value);
    case Form::kRows:
      return FormatRows(value);
    default:
      return value;
  }
}

Json Written(const Key& key, bool value) { return value || key.fallback == true ? Json(value) : Json(); }

Json Written(const Key& key, const std::optional<int64_t>& value) { return value ? Written(key, *value) : Json(); }

Json Written(const Key&, const std::vector<std::string>& value) { return value.empty() ? Json() : Json(value); }

Json Written(const Key&, const std::map<std::string, std::string>& value) {
  return value.empty() ? Json() : Json(value);
}

Json Written(const Key&, const std::optional<iceberg::Type>& value) { return value ? Json(value->ToString()) : Json(); }

Json Written(const Key&, const std::optional<Scalar>& value) { return value ? NumberOrText(*value) : Json(); }

Json Written(const Key&, const StartFrom& value) {
  if (value.beginning) return "beginning";
  return value.time ? Json(FormatTimestamp(*value.time)) : Json();
}

Json Written(const Key&, const catalog::TableIdent& value) {
  return value.name.empty() ? Json() : Json(value.ToString());
}

Json WrittenMapping(const Mapping& mapping, const void* owner) {
  Json out;
  for (const Key& key : mapping.keys) {
    if (!key.write) continue;
    Json value = key.write(key, owner);
    if (!value.is_null()) out[key.name] = std::move(value);
  }
  return out;
}

}  // namespace calve::config
