// Ties a key's description to the member that it stands for.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "calve/config/key.h"
#include "calve/config/reader.h"
#include "calve/config/written.h"

namespace calve::config {

template <class Owner, class Member>
Key Bind(std::string name, Form form, Member Owner::*member, std::string meaning) {
  Key key;
  key.name = std::move(name);
  key.form = form;
  key.meaning = std::move(meaning);
  key.read = [member](Reader& reader, const Key& self, const Node& node, const std::string& path, void* owner) {
    reader.Read(self, node, path, static_cast<Owner*>(owner)->*member);
  };
  key.write = [member](const Key& self, const void* owner) {
    return Written(self, static_cast<const Owner*>(owner)->*member);
  };
  const Owner fresh{};
  key.fallback = key.write(key, &fresh);
  return key;
}

// A URL whose password, where the environment put one in, goes into a member of its own.
template <class Owner>
Key BindUrl(std::string name, std::string Owner::*url, std::string Owner::*password, UrlCheck check,
            std::string meaning, Form form = Form::kUrl) {
  Key key = Bind(std::move(name), form, url, std::move(meaning));
  key.read = [url, password, check](Reader& reader, const Key&, const Node& node, const std::string& path,
                                    void* owner) {
    auto* typed = static_cast<Owner*>(owner);
    reader.ReadUrl(node, path, check, typed->*url, typed->*password);
  };
  return key;
}

// One of some names, each with its value.
template <class Owner, class Value>
Key BindChoice(std::string name, Value Owner::*member, std::vector<std::pair<std::string, Value>> values,
               std::string meaning) {
  Key key;
  key.name = std::move(name);
  key.form = Form::kChoice;
  key.meaning = std::move(meaning);
  for (const auto& [text, value] : values) key.choices.push_back(text);
  key.read = [member, values](Reader& reader, const Key& self, const Node& node, const std::string& path, void* owner) {
    std::string text;
    reader.Read(self, node, path, text);
    for (const auto& [name_of, value] : values) {
      if (name_of == text) static_cast<Owner*>(owner)->*member = value;
    }
  };
  key.write = [member, values](const Key&, const void* owner) {
    for (const auto& [text, value] : values) {
      if (value == static_cast<const Owner*>(owner)->*member) return Json(text);
    }
    return Json();
  };
  const Owner fresh{};
  key.fallback = key.write(key, &fresh);
  return key;
}

template <class Owner, class Member>
Key BindMapping(std::string name, Member Owner::*member, const Mapping& mapping, std::string meaning) {
  Key key;
  key.name = std::move(name);
  key.form = Form::kMapping;
  key.meaning = std::move(meaning);
  key.mapping = &mapping;
  key.read = [member](Reader& reader, const Key& self, const Node& node, const std::string& path, void* owner) {
    reader.ReadMapping(*self.mapping, node, path, &(static_cast<Owner*>(owner)->*member));
  };
  key.write = [member](const Key& self, const void* owner) {
    return WrittenMapping(*self.mapping, &(static_cast<const Owner*>(owner)->*member));
  };
  return key;
}

// The same of one that is there only if the file has it.
template <class Owner, class Member>
Key BindMapping(std::string name, std::optional<Member> Owner::*member, const Mapping& mapping, std::string meaning) {
  Key key;
  key.name = std::move(name);
  key.form = Form::kMapping;
  key.meaning = std::move(meaning);
  key.mapping = &mapping;
  key.read = [member](Reader& reader, const Key& self, const Node& node, const std::string& path, void* owner) {
    auto& value = static_cast<Owner*>(owner)->*member;
    if (!value) value.emplace();
    reader.ReadMapping(*self.mapping, node, path, &*value);
  };
  key.write = [member](const Key& self, const void* owner) {
    const auto& value = static_cast<const Owner*>(owner)->*member;
    return value ? WrittenMapping(*self.mapping, &*value) : Json();
  };
  return key;
}

// name: mapping. What stands under a name already is changed, not replaced.
template <class Owner, class Element>
Key BindMappings(std::string name, std::map<std::string, Element> Owner::*member, const Mapping& mapping,
                 std::string meaning) {
  Key key;
  key.name = std::move(name);
  key.form = Form::kMappings;
  key.meaning = std::move(meaning);
  key.mapping = &mapping;
  key.read = [member](Reader& reader, const Key& self, const Node& node, const std::string& path, void* owner) {
    reader.ReadEntries(node, path, [&](const std::string& entry, const Node& value, const std::string& at) {
      reader.ReadMapping(*self.mapping, value, at, &(static_cast<Owner*>(owner)->*member)[entry]);
    });
  };
  key.write = [member](const Key& self, const void* owner) {
    Json out;
    for (const auto& [entry, element] : static_cast<const Owner*>(owner)->*member) {
      Json written = WrittenMapping(*self.mapping, &element);
      out[entry] = written.is_null() ? Json::object() : std::move(written);
    }
    return out;
  };
  return key;
}

inline Key Required(Key key) {
  key.is_required = true;
  return key;
}
inline Key Own(Key key) {
  key.is_own = true;
  return key;
}
inline Key AtLeast(int64_t minimum, Key key) {
  key.minimum = minimum;
  if (key.form == Form::kBytes && key.fallback == "0B") key.fallback = nullptr;  // less than may be given: not set
  return key;
}

}  // namespace calve::config
