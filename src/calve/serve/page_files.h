// The files of the status page (page/), as they are in the source tree: CMake puts them into the program.
#pragma once

#include <string_view>
#include <vector>

namespace calve::serve {

struct PageFile {
  std::string_view path;  // "/page.css"
  std::string_view content_type, text;
  std::string_view etag;  // with its quotes
};

const std::vector<PageFile>& PageFiles();

// page/openapi.json
std::string_view OpenApiText();

}  // namespace calve::serve
