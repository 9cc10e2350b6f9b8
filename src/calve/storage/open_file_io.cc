#include <fmt/format.h>

#include "calve/storage/file_io.h"
#include "calve/storage/local_file_io.h"
#include "calve/storage/location.h"

namespace calve::storage {

// The one place that knows which scheme is served by what: an object store is a new branch here and a class beside
// LocalFileIO that passes the same conformance suite.
Result<std::unique_ptr<FileIO>> OpenFileIO(const std::string& warehouse) {
  std::string_view scheme = SchemeOf(warehouse);
  if (warehouse.empty()) {
    return MakeError(ErrorKind::kConfig, "no warehouse is named", "Pass --warehouse file:///path/of/the/warehouse.");
  }
  if (scheme.empty() || scheme == "file") {
    if (LocalPath(warehouse).empty()) {
      return MakeError(ErrorKind::kConfig, fmt::format("the warehouse {} names another host", warehouse),
                       "Write a local folder as file:///path, with three slashes.");
    }
    return std::unique_ptr<FileIO>(std::make_unique<LocalFileIO>());
  }
  return MakeError(ErrorKind::kUnsupported,
                   fmt::format("warehouses of scheme '{}' are not supported ({})", scheme, warehouse),
                   "Use file:///path or a plain path.");
}

}  // namespace calve::storage
