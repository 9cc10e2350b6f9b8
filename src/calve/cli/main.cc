#include <cstdio>
#include <exception>

#include "calve/cli/command.h"
#include "calve/cli/log_writer.h"

#ifndef CALVE_BUILD_TYPE
#define CALVE_BUILD_TYPE "unknown"
#endif

namespace calve {
// Of a file that cmake/CalveCommit.cmake writes; it alone changes with a commit.
extern const char kCommit[];
extern const char kCommitDate[];
}  // namespace calve

int main(int argc, char** argv) {
  calve::cli::OpenStandardDescriptors();
  try {
    return calve::cli::RunProgram(argc, argv, {CALVE_VERSION, calve::kCommit, calve::kCommitDate, CALVE_BUILD_TYPE});
  } catch (const std::exception& error) {
    // Exceptions are caught where libraries throw them; one that comes this far is a defect.
    std::fprintf(stderr, "calve: error: %s (a defect of calve; please report it)\n", error.what());
    return 1;
  }
}
