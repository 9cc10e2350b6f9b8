// Small files for a test, in a folder that goes with it.
#pragma once

#include <filesystem>
#include <fstream>
#include <string>

#include "calve/base/testing_temp_dir.h"

namespace calve::objectstore {

class TextFiles {
 public:
  const std::string& folder() const { return folder_.path(); }
  // Its path.
  std::string Write(const std::string& name, const std::string& text) {
    const std::filesystem::path path = std::filesystem::path(folder()) / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << text;
    return path.string();
  }

 private:
  TempDir folder_;
};

}  // namespace calve::objectstore
