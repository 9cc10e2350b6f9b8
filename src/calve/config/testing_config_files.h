// The configuration files of the tests and the examples.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <vector>

namespace calve::config {

inline std::filesystem::path ProjectFolder() { return std::filesystem::path(CALVE_TEST_DATA) / ".." / ".."; }
inline std::filesystem::path ConfigFolder() { return ProjectFolder() / "tests" / "config"; }
inline std::string ExampleFile() { return (ProjectFolder() / "examples" / "k2.yaml").string(); }

inline std::string TextOf(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  EXPECT_TRUE(in) << path;
  return std::string((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
}

// tests/config/KIND_*.yaml: "valid", "invalid" (to the schema as well), "rule" (to the loader alone).
inline std::vector<std::filesystem::path> ConfigFiles(const std::string& kind) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(ConfigFolder())) {
    if (entry.path().filename().string().starts_with(kind + "_")) files.push_back(entry.path());
  }
  std::ranges::sort(files);
  EXPECT_GT(files.size(), 5u) << kind;
  return files;
}

inline std::optional<std::string> NoVariables(const std::string&) { return std::nullopt; }

}  // namespace calve::config
