#include "calve/storage/object_location.h"

#include <fmt/format.h>

#include "calve/storage/location.h"

namespace calve::storage {

Result<objectstore::ObjectName> ParseObjectLocation(const std::string& location) {
  const std::string_view scheme = SchemeOf(location);
  std::string_view rest = std::string_view(location).substr(scheme.size() + 1);
  if (rest.starts_with("//")) rest.remove_prefix(2);
  const size_t slash = std::min(rest.find('/'), rest.size());
  objectstore::ObjectName name{std::string(rest.substr(0, slash)), "", location};
  if (slash < rest.size()) name.key = rest.substr(slash + 1);
  if (name.bucket.empty()) {
    return MakeError(ErrorKind::kConfig, fmt::format("{} names no bucket", location),
                     fmt::format("Write it as {}://bucket/path.", scheme));
  }
  return name;
}

std::string FolderKey(const objectstore::ObjectName& name) {
  return name.key.empty() || name.key.ends_with('/') ? name.key : name.key + "/";
}

std::string RootOf(const objectstore::ObjectName& name) {
  return fmt::format("{}://{}/", SchemeOf(name.location), name.bucket);
}

}  // namespace calve::storage
