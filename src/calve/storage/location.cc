// What a location means. Iceberg does not percent-decode locations (partition folders hold literal %2F), nor do we.
#include "calve/storage/location.h"

#include <string>
#include <string_view>

#include "calve/storage/file_io.h"

namespace calve::storage {

std::string_view SchemeOf(std::string_view location) {
  size_t colon = location.find(':');
  if (colon == std::string_view::npos || colon < 2) return {};  // "c:" is no scheme that anybody writes
  std::string_view scheme = location.substr(0, colon);
  for (size_t i = 0; i < scheme.size(); ++i) {
    char c = scheme[i];
    bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    bool other = (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.';
    if (!letter && !(other && i > 0)) return {};
  }
  // A relative path may hold a colon; a URI has a slash behind it.
  return location.substr(colon + 1).starts_with('/') ? scheme : std::string_view{};
}

std::string LocalPath(std::string_view location) {
  std::string_view scheme = SchemeOf(location);
  if (scheme.empty()) return std::string(location);
  if (scheme != "file") return {};
  std::string_view rest = location.substr(scheme.size() + 1);
  // Java's Hadoop writes file:/a, others file:///a. A host other than this one is not ours to read.
  if (!rest.starts_with("//")) return std::string(rest);
  rest.remove_prefix(2);
  if (rest.starts_with("localhost/")) rest.remove_prefix(std::string_view("localhost").size());
  return rest.starts_with('/') ? std::string(rest) : std::string();
}

std::string JoinLocation(std::string_view base, std::string_view rest) {
  while (base.size() > 1 && base.ends_with('/') && !base.ends_with("://")) base.remove_suffix(1);
  // "file:///" has lost one slash above and gets it back here.
  while (rest.starts_with('/')) rest.remove_prefix(1);
  if (base.empty()) return std::string(rest);
  std::string joined(base);
  if (rest.empty()) return joined;
  if (!joined.ends_with('/') || joined.ends_with("://")) joined += '/';
  return joined.append(rest);
}

}  // namespace calve::storage
