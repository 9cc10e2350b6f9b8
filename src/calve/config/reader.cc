#include "calve/config/reader.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "calve/config/row_count.h"
#include "calve/config/url_password.h"
#include "calve/config/written.h"
#include "calve/http/percent_encoding.h"
#include "calve/source/nearest_name.h"

namespace calve::config {
namespace {

constexpr std::string_view kDefaultsPath = "defaults";

bool IsPlainName(std::string_view name) {
  return !name.empty() && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
}

std::optional<int64_t> ParseNumber(std::string_view text) {
  int64_t number = 0;
  auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (ec != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

Result<int64_t> ParseInteger(std::string_view text) {
  if (auto number = ParseNumber(text)) return *number;
  return MakeError(ErrorKind::kConfig, fmt::format("'{}' is not a whole number", text), "Write it as 4.");
}

Result<int64_t> ParsePercent(std::string_view text) {
  auto number = text.ends_with('%') ? ParseNumber(text.substr(0, text.size() - 1)) : std::nullopt;
  if (number && *number >= 1 && *number <= 100) return *number;
  return MakeError(ErrorKind::kConfig, fmt::format("'{}' is not a percentage", text), "Write it as 80%.");
}

struct NumberForm {
  std::string_view expected;
  Result<int64_t> (*parse)(std::string_view);
};
NumberForm NumberFormOf(Form form) {
  switch (form) {
    case Form::kDuration:
      return {"a duration", ParseDuration};
    case Form::kBytes:
      return {"a size", ParseBytes};
    case Form::kPercent:
      return {"a percentage", ParsePercent};
    case Form::kRows:
      return {"a number of rows", ParseRows};
    default:
      return {"a whole number", ParseInteger};
  }
}

void EraseBelow(std::map<std::string, std::string>& written, const std::string& prefix) {
  std::erase_if(written, [&](const auto& entry) { return entry.first.starts_with(prefix); });
}

}  // namespace

std::string PathOf(const std::string& parent, std::string_view name) {
  if (!IsPlainName(name)) return fmt::format("{}[\"{}\"]", parent, name.substr(0, 100));
  return parent.empty() ? std::string(name) : fmt::format("{}.{}", parent, name);
}

void Reader::Wrong(const Node& node, const std::string& path, std::string message, std::string remedy) {
  findings_.Add(node.mark, path, std::move(message), std::move(remedy));
}

void Reader::WrongKind(const Node& node, const std::string& path, std::string_view expected, std::string remedy) {
  Wrong(node, path, fmt::format("{} is expected, and {} stands here", expected, KindName(node)), std::move(remedy));
}

void Reader::UnknownKey(const Mapping& mapping, const Entry& entry, const std::string& path) {
  if (findings_.full()) return findings_.Add(entry.mark, path, "no such key");
  if (std::ranges::find(mapping.misplaced, entry.key) != mapping.misplaced.end()) {
    return findings_.Add(entry.mark, path, "this key belongs to one table and may not stand in defaults",
                         "Move it to the tables.");
  }
  const std::vector<std::string> names = mapping.Names();
  const std::string nearest = source::NearestName(entry.key, names);
  findings_.Add(entry.mark, path, "there is no such key",
                nearest.empty() ? fmt::format("Keys here are: {}.", fmt::join(names, ", "))
                                : fmt::format("Did you mean {}?", nearest));
}

void Reader::CheckPresence(const Mapping& mapping, const Node& node, const std::string& path) {
  for (const Key& key : mapping.keys) {
    if (!key.is_required || (mapping.is_merged && !key.is_own) || Find(node, key.name)) continue;
    Wrong(node, PathOf(path, key.name), "this key is missing", fmt::format("{}: {}", key.name, key.meaning));
  }
  auto present = [&](const std::vector<std::string>& names) {
    return std::ranges::count_if(names, [&](const std::string& name) { return Find(node, name) != nullptr; });
  };
  for (const auto& names : mapping.exactly_one) {
    const auto count = present(names);
    if (count == 1) continue;
    Wrong(node, path, fmt::format("{} of {} stand here", count == 0 ? "none" : "more than one", fmt::join(names, ", ")),
          "Give exactly one of them.");
  }
  for (const auto& names : mapping.at_most_one) {
    if (present(names) > 1) {
      Wrong(node, path, fmt::format("{} exclude each other", fmt::join(names, " and ")), "Keep one of them.");
    }
  }
}

void Reader::ReadMapping(const Mapping& mapping, const Node& node, const std::string& path, void* owner) {
  marks_[path] = node.mark;
  if (!mapping.shorthand.empty() && node.kind == Node::Kind::kScalar) {
    const Key& key = *mapping.Find(mapping.shorthand);
    marks_[PathOf(path, key.name)] = node.mark;
    return key.read(*this, key, node, PathOf(path, key.name), owner);
  }
  if (node.kind != Node::Kind::kMapping) {
    return WrongKind(node, path, "a mapping", fmt::format("Keys here are: {}.", fmt::join(mapping.Names(), ", ")));
  }
  ReadEntries(node, path, [&](const std::string& name, const Node& value, const std::string& at) {
    const Key* key = mapping.Find(name);
    if (key && key->read) key->read(*this, *key, value, at, owner);
  });
  for (const Entry& entry : node.entries) {
    if (!mapping.Find(entry.key)) UnknownKey(mapping, entry, PathOf(path, entry.key));
  }
  CheckPresence(mapping, node, path);
}

void Reader::ReadEntries(const Node& node, const std::string& path, const EntryReader& read) {
  if (node.kind != Node::Kind::kMapping) {
    return WrongKind(node, path, "a mapping", "Write name: value pairs.");
  }
  for (const Entry& entry : node.entries) {
    const std::string at = PathOf(path, entry.key);
    marks_[at] = entry.value.kind == Node::Kind::kNull ? entry.mark : entry.value.mark;
    if (entry.value.kind == Node::Kind::kNull) {
      findings_.Add(entry.mark, at, "this key has no value", "Give it one, or take the key out.");
    } else {
      read(entry.key, entry.value, at);
    }
  }
}

std::optional<Expanded> Reader::Take(const Node& node, const std::string& path) {
  auto expanded = Expand(node.text, environment_);
  if (!expanded.ok()) {
    Wrong(node, path, MessageOf(expanded.status()), RemedyOf(expanded.status()));
    return std::nullopt;
  }
  if (expanded->from_environment) {
    written_[path] = node.text;
  } else {
    written_.erase(path);
  }
  return *std::move(expanded);
}

std::optional<Expanded> Reader::TakeText(const Node& node, const std::string& path, std::string_view expected) {
  if (node.kind != Node::Kind::kScalar) {
    WrongKind(node, path, expected);
    return std::nullopt;
  }
  if (ScalarKindOf(node) != ScalarKind::kText) {
    WrongKind(node, path, expected, fmt::format("Put it in quotes: \"{}\".", node.text));
    return std::nullopt;
  }
  return Take(node, path);
}

void Reader::NotParsed(const Node& node, const std::string& path, const Expanded& value, std::string_view expected,
                       const Status& status) {
  std::string message = value.from_environment
                            ? fmt::format("what '{}' stands for is not {}", node.text.substr(0, 200), expected)
                            : MessageOf(status);
  Wrong(node, path, std::move(message), RemedyOf(status));
}

void Reader::Read(const Key& key, const Node& node, const std::string& path, std::string& out) {
  auto value = TakeText(node, path, "text");
  if (!value) return;
  if (key.is_required && value->text.empty()) return Wrong(node, path, "this may not be empty", key.meaning);
  if (!key.choices.empty() && std::ranges::find(key.choices, value->text) == key.choices.end()) {
    const std::string choices = fmt::format("{}", fmt::join(key.choices, ", "));
    const Status status =
        MakeError(ErrorKind::kConfig, fmt::format("'{}' is none of {}", value->text.substr(0, 200), choices),
                  fmt::format("Write one of {}.", choices));
    return NotParsed(node, path, *value, "one of them", status);
  }
  out = std::move(value->text);
  if (key.form == Form::kFile && !out.empty() && !out.starts_with('/') && !folder_.empty()) out = folder_ + "/" + out;
}

std::optional<int64_t> Reader::TakeNumber(const Key& key, const Node& node, const std::string& path) {
  const NumberForm form = NumberFormOf(key.form);
  if (node.kind != Node::Kind::kScalar) {
    WrongKind(node, path, form.expected);
    return std::nullopt;
  }
  const ScalarKind kind = ScalarKindOf(node);
  const bool is_integer = key.form == Form::kInteger;
  if (is_integer && node.quoted && !HasExpansion(node.text)) {
    WrongKind(node, path, form.expected, "Take the quotes off.");
    return std::nullopt;
  }
  if (kind == ScalarKind::kBoolean) {
    WrongKind(node, path, form.expected);
    return std::nullopt;
  }
  auto value = Take(node, path);
  if (!value) return std::nullopt;
  auto number = form.parse(value->text);
  if (!number.ok()) {
    NotParsed(node, path, *value, form.expected, number.status());
    return std::nullopt;
  }
  if (*number >= key.minimum) return *number;
  const Json least = Written(key, key.minimum);
  Wrong(node, path, "this is too little",
        fmt::format("Give {} or more.", least.is_string() ? least.get<std::string>() : least.dump()));
  return std::nullopt;
}

void Reader::Read(const Key& key, const Node& node, const std::string& path, int64_t& out) {
  if (auto number = TakeNumber(key, node, path)) out = *number;
}

void Reader::Read(const Key& key, const Node& node, const std::string& path, std::optional<int64_t>& out) {
  if (auto number = TakeNumber(key, node, path)) out = *number;
}

void Reader::Read(const Key&, const Node& node, const std::string& path, bool& out) {
  constexpr const char* kRemedy = "Write true or false.";
  if (node.kind != Node::Kind::kScalar) return WrongKind(node, path, "true or false", kRemedy);
  if (ScalarKindOf(node) != ScalarKind::kBoolean && !HasExpansion(node.text)) {
    return WrongKind(node, path, "true or false", kRemedy);
  }
  auto value = Take(node, path);
  if (!value) return;
  Node plain;
  plain.text = value->text;
  if (ScalarKindOf(plain) != ScalarKind::kBoolean) {
    return NotParsed(node, path, *value, "true or false", MakeError(ErrorKind::kConfig, "", kRemedy));
  }
  out = value->text[0] == 't' || value->text[0] == 'T';
}

void Reader::Read(const Key&, const Node& node, const std::string& path, std::vector<std::string>& out) {
  if (node.kind != Node::Kind::kSequence) {
    return WrongKind(node, path, "a list",
                     node.kind == Node::Kind::kScalar
                         ? fmt::format("Write it in brackets: [\"{}\"].", node.text.substr(0, 200))
                         : "");
  }
  EraseBelow(written_, path + "[");
  out.clear();
  for (size_t i = 0; i < node.items.size(); ++i) {
    const std::string at = fmt::format("{}[{}]", path, i);
    marks_[at] = node.items[i].mark;
    auto value = TakeText(node.items[i], at, "text");
    if (value && value->text.empty()) Wrong(node.items[i], at, "this may not be empty");
    out.push_back(value ? std::move(value->text) : std::string());  // places in the list stay what they are in the file
  }
}

void Reader::Read(const Key& key, const Node& node, const std::string& path, std::map<std::string, std::string>& out) {
  ReadEntries(node, path, [&](const std::string& name, const Node& value, const std::string& at) {
    std::optional<Scalar> scalar;
    Read(key, value, at, scalar);
    if (scalar) out[name] = scalar->text;
  });
}

void Reader::Read(const Key&, const Node& node, const std::string& path, std::optional<Scalar>& out) {
  if (node.kind != Node::Kind::kScalar) return WrongKind(node, path, "text, a number, true or false");
  const ScalarKind kind = ScalarKindOf(node);
  auto value = Take(node, path);
  if (!value) return;
  out = Scalar{kind == ScalarKind::kText      ? Scalar::Kind::kText
               : kind == ScalarKind::kBoolean ? Scalar::Kind::kBoolean
                                              : Scalar::Kind::kNumber,
               std::move(value->text)};
}

void Reader::Read(const Key&, const Node& node, const std::string& path, std::optional<iceberg::Type>& out) {
  auto value = TakeText(node, path, "an Iceberg type");
  if (!value) return;
  auto type = iceberg::ParsePrimitiveType(value->text);
  if (type.ok()) {
    out = *std::move(type);
    return;
  }
  const std::string remedy = RemedyOf(type.status());
  NotParsed(
      node, path, *value, "an Iceberg type",
      WithKind(type.status(), ErrorKind::kConfig,
               remedy.empty() ? "Types are long, string, decimal(20,0), timestamptz … (docs/types.md)." : remedy));
}

void Reader::Read(const Key&, const Node& node, const std::string& path, StartFrom& out) {
  auto value = TakeText(node, path, "a time or 'beginning'");
  if (!value) return;
  if (value->text == "beginning") {
    out = {true, std::nullopt};
    return;
  }
  auto time = ParseTimestamp(value->text);
  if (!time.ok()) return NotParsed(node, path, *value, "a point in time", time.status());
  out = {false, *time};
}

void Reader::Read(const Key&, const Node& node, const std::string& path, catalog::TableIdent& out) {
  auto value = TakeText(node, path, "text");
  if (!value) return;
  auto ident = catalog::ParseTableIdent(value->text, catalog_name_);
  if (!ident.ok()) return NotParsed(node, path, *value, "the name of a target table", ident.status());
  out = *std::move(ident);
}

void Reader::ReadUrl(const Node& node, const std::string& path, UrlCheck check, std::string& url,
                     std::string& password) {
  constexpr const char* kRemedy =
      "Take it out and name a password_file, or let the environment put it in: //user:${PASSWORD}@host.";
  auto value = TakeText(node, path, "a URL");
  if (!value) return;
  Expanded bare = *value;
  std::string found;
  if (auto place = FindPassword(node.text); place && place->size > 0) {
    if (!HasExpansion(std::string_view(node.text).substr(place->begin, place->size))) {
      return Wrong(node, path, "a password stands in the file", kRemedy);
    }
    // Each for itself: such a password may hold what would end it in a URL.
    auto secret = Expand(std::string_view(node.text).substr(place->begin, place->size), environment_);
    auto rest = Expand(WithoutPassword(node.text, *place), environment_);
    if (!secret.ok() || !rest.ok()) return Wrong(node, path, "the variables cannot be put in");
    found = secret->text;
    bare.text = rest->text;
  } else if (auto inside = FindPassword(value->text)) {
    found = http::PercentDecoded(std::string_view(value->text).substr(inside->begin, inside->size));
    bare.text = WithoutPassword(value->text, *inside);
  }
  if (HasPasswordParameter(bare.text)) return Wrong(node, path, "a password stands behind the '?' of the URL", kRemedy);
  if (HasStrayAt(bare.text)) {
    return Wrong(node, path, "the URL has an '@' that is not the one behind the user", "Write %40 for it.");
  }
  if (Status status = check(bare.text); !status.ok())
    return NotParsed(node, path, bare, "a URL that calve knows", status);
  url = bare.text;
  password = std::move(found);
}

Mark Reader::MarkOf(const std::string& path) const {
  std::string_view at = path;
  while (true) {
    if (auto found = marks_.find(std::string(at)); found != marks_.end()) return found->second;
    const size_t below = at.starts_with("tables[") ? at.find("].") : std::string_view::npos;
    if (below != std::string_view::npos) {
      auto found = marks_.find(std::string(kDefaultsPath) + std::string(at.substr(below + 1)));
      if (found != marks_.end()) return found->second;
    }
    const size_t end = at.find_last_of(".[");
    if (end == std::string_view::npos) break;
    at = at.substr(0, end);
  }
  auto root = marks_.find("");
  return root == marks_.end() ? Mark{} : root->second;
}

void Reader::InheritWritten(const std::string& path) {
  const std::string prefix = std::string(kDefaultsPath) + ".";
  std::map<std::string, std::string> inherited;
  for (const auto& [at, text] : written_) {
    if (at.starts_with(prefix)) inherited[path + at.substr(kDefaultsPath.size())] = text;
  }
  written_.merge(inherited);
}

}  // namespace calve::config
