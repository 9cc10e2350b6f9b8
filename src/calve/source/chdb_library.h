// libchdb, found and loaded at run time: calve neither links nor needs it for HTTP sources.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "calve/base/error.h"

namespace calve::source {

// The part of chdb's C API that calve calls, as chdb.h declares it; the handles are opaque.
struct ChdbLibrary {
  struct Result;      // chdb_result
  struct Connection;  // *chdb_connection: what is inside the cell that chdb_connect returns

  Connection** (*connect)(int argc, char** argv);  // null on failure, without a reason
  void (*close_connection)(Connection** cell);
  Result* (*query)(Connection* connection, const char* sql, size_t sql_length, const char* format,
                   size_t format_length);
  Result* (*stream_query)(Connection* connection, const char* sql, size_t sql_length, const char* format,
                          size_t format_length);
  Result* (*stream_fetch)(Connection* connection, Result* stream);
  void (*stream_cancel)(Connection* connection, Result* stream);
  void (*destroy_result)(Result* result);
  char* (*buffer)(Result* result);
  size_t (*length)(Result* result);
  const char* (*error)(Result* result);          // null where there is none
  void (*set_signal_handlers_enabled)(bool on);  // may be null: older libraries
};

// Where libchdb.so is looked for: `configured` alone, where it is not empty; else $CALVE_CHDB_LIBRARY alone; else
// beside the program, in ../lib/calve and ../lib, in the .deps/chdb of the build tree's project, and last where the
// system's loader looks.
std::vector<std::string> ChdbLibraryCandidates(const std::string& configured, const std::string& environment,
                                               const std::string& program_directory);

// The file that would be loaded, as far as that is known without loading it; empty: none.
std::string FindChdbLibrary();

// Loads it once and never unloads it (its threads and thread-locals outlive any connection). kConfig with the places
// that were looked at where there is none.
arrow::Result<ChdbLibrary> LoadChdbLibrary(const std::string& configured);

}  // namespace calve::source
