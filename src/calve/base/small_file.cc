#include "calve/base/small_file.h"

#include <fmt/format.h>

#include <fstream>
#include <iterator>

namespace calve {

Result<std::string> ReadSmallFile(const std::string& path, std::string_view what) {
  std::ifstream in(path);
  if (!in) {
    return MakeError(ErrorKind::kConfig, fmt::format("{} {} cannot be read", what, path),
                     "Check that the file is there and that the user that runs calve may read it.");
  }
  std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  return text;
}

}  // namespace calve
