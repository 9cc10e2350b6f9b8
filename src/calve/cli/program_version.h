// What `calve --version` says: this build, and the libraries that it found when it was started.
#pragma once

#include <string>
#include <vector>

#include "calve/cli/json_output.h"

namespace calve::cli {

// Of the program, not of the layers: they do not change with every commit (cmake/CalveCommit.cmake).
struct BuildInfo {
  std::string version;
  std::string commit;       // "81e3b09…", with "-dirty" where files differed; "unknown" outside of a git checkout
  std::string commit_date;  // "2026-11-30", or empty
  std::string type;         // CMake's
};

struct LibraryVersion {
  std::string name, version;
};

// As loaded into this process; what is headers alone, as it was compiled with.
std::vector<LibraryVersion> LibraryVersions();

// The first line is "calve VERSION" and stays so.
std::string VersionText(const BuildInfo& build, const std::vector<LibraryVersion>& libraries);
Json VersionJson(const BuildInfo& build, const std::vector<LibraryVersion>& libraries);

}  // namespace calve::cli
