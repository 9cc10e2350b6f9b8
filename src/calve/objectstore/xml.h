// The little XML that object stores answer in: elements and text. Attributes, comments and namespaces are dropped.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "calve/base/error.h"

namespace calve::objectstore {

struct XmlElement {
  std::string name;  // without its namespace's prefix
  std::string text;  // of this element alone, entities resolved
  std::vector<XmlElement> children;

  // The first child of that name; nullptr where there is none.
  const XmlElement* Child(std::string_view child) const;
  // Its text; empty where there is none.
  const std::string& ChildText(std::string_view child) const;
  std::vector<const XmlElement*> Children(std::string_view child) const;
};

// The root element. kCorrupt for what is not well formed, has a DTD or is nested beyond reason.
Result<XmlElement> ParseXml(std::string_view text);
// Text as it stands between tags.
std::string XmlEscaped(std::string_view text);

}  // namespace calve::objectstore
