// What may stand in a configuration file, described once: the loader, the JSON Schema and the reference are all made
// from these descriptions, and so are the defaults, from the values' own initialisers.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace calve::config {

using Json = nlohmann::ordered_json;

struct Mapping;
struct Node;
class Reader;

enum class Form {
  kText,
  kUrl,
  kFile,  // a path; relative to the configuration's folder
  kInteger,
  kBoolean,
  kDuration,  // "5m"
  kBytes,     // "512MiB"
  kPercent,   // "80%"
  kRows,      // 500000, "50M", "50M rows"
  kTime,      // an instant, or "beginning"
  kChoice,    // one of Key::choices
  kType,      // an Iceberg type
  kScalar,    // text, number, true or false
  kTexts,     // list of text
  kScalars,   // name: text, number, true or false
  kMapping,   // of Key::mapping
  kMappings,  // name: mapping
  kList,      // of mappings
};

struct Key {
  std::string name;
  Form form = Form::kText;
  std::string meaning;       // for people, in Markdown
  bool is_required = false;  // of a table: here or in `defaults`, unless it is the table's own
  bool is_own = false;       // of one table alone: may not stand in `defaults`
  int64_t minimum = 0;       // of numbers, durations (microseconds) and sizes
  std::vector<std::string> choices;
  const Mapping* mapping = nullptr;  // a constant
  Json fallback;                     // the default as it would be written; null: none

  // `owner` is the struct whose member the key stands for; made by the functions of bind.h alone, which see to it that
  // it is the right one. Null for keys that the loader treats itself (`defaults`, `tables`).
  std::function<void(Reader&, const Key&, const Node&, const std::string& path, void* owner)> read;
  std::function<Json(const Key&, const void* owner)> write;  // null: not set
};

struct Mapping {
  std::vector<Key> keys = {};
  std::string shorthand = {};  // the key that a plain value in place of the mapping stands for; may be empty
  std::vector<std::vector<std::string>> exactly_one = {}, at_most_one = {};  // of these keys
  // What is missing may come from `defaults`, so required keys that are not a table's own are looked for later.
  bool is_merged = false;
  std::vector<std::string> misplaced = {};  // keys of a table that make no sense here

  const Key* Find(std::string_view key) const;
  std::vector<std::string> Names() const;
};

// The whole file; one table; `defaults`.
const Mapping& FileKeys();
const Mapping& TableKeys();
const Mapping& DefaultsKeys();

}  // namespace calve::config
