// A YAML document as a tree of values that know where they stand. What calve does not take of YAML is refused plainly:
// aliases, tags, several documents, keys that are no plain text or stand twice.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "calve/config/findings.h"

namespace calve::config {

inline constexpr size_t kFileBytesMax = 1 << 20;

struct Entry;

struct Node {
  enum class Kind { kNull, kScalar, kSequence, kMapping };
  Kind kind = Kind::kNull;
  Mark mark;
  std::string text;            // kScalar: as written, without the quotes
  bool quoted = false;         // kScalar: in quotes or as a block
  std::vector<Node> items;     // kSequence
  std::vector<Entry> entries;  // kMapping, in the order of the file
};

struct Entry {
  std::string key;
  Mark mark;  // of the key
  Node value;
};

// What YAML 1.2's core schema takes a scalar for.
enum class ScalarKind { kText, kInteger, kFloat, kBoolean };
ScalarKind ScalarKindOf(const Node& scalar);

// "a list", "a number", … for messages.
std::string_view KindName(const Node& node);

// The value behind a key; null where the mapping has no such key.
const Node* Find(const Node& mapping, std::string_view key);

// Nothing where the text cannot be read as YAML at all. Keys that stand twice are findings.
// Size, depth and number of values are bounded.
std::optional<Node> ParseYaml(const std::string& text, Findings& findings);

}  // namespace calve::config
