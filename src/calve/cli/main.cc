#include <cstdio>
#include <exception>

#include "calve/cli/command.h"

int main(int argc, char** argv) {
  try {
    return calve::cli::RunProgram(argc, argv);
  } catch (const std::exception& error) {
    // Exceptions are caught where libraries throw them; one that comes this far is a defect.
    std::fprintf(stderr, "calve: error: %s (a defect of calve; please report it)\n", error.what());
    return 1;
  }
}
