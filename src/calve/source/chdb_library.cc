#include "calve/source/chdb_library.h"

#include <dlfcn.h>
#include <unistd.h>

#include <climits>
#include <cstdlib>
#include <filesystem>

namespace calve::source {
namespace {

std::string ProgramDirectory() {
  std::error_code ignored;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", ignored);
  return ignored ? "" : program.parent_path().string();
}

// A bare name is for the loader's own search; a path has to exist, so that the message can tell "not there" from
// "broken".
bool MayLoad(const std::string& candidate) {
  std::error_code ignored;
  return candidate.find('/') == std::string::npos || std::filesystem::exists(candidate, ignored);
}

template <typename Function>
bool Bind(void* handle, const char* name, Function** slot) {
  *slot = reinterpret_cast<Function*>(dlsym(handle, name));
  return *slot != nullptr;
}

arrow::Result<ChdbLibrary> BindAll(void* handle, const std::string& path) {
  ChdbLibrary library{};
  const char* missing = nullptr;
  auto bind = [&](const char* name, auto** slot) {
    if (!Bind(handle, name, slot) && missing == nullptr) missing = name;
  };
  bind("chdb_connect", &library.connect);
  bind("chdb_close_conn", &library.close_connection);
  bind("chdb_query_n", &library.query);
  bind("chdb_stream_query_n", &library.stream_query);
  bind("chdb_stream_fetch_result", &library.stream_fetch);
  bind("chdb_stream_cancel_query", &library.stream_cancel);
  bind("chdb_destroy_query_result", &library.destroy_result);
  bind("chdb_result_buffer", &library.buffer);
  bind("chdb_result_length", &library.length);
  bind("chdb_result_error", &library.error);
  if (missing != nullptr) {
    return MakeError(ErrorKind::kConfig, path + " has no function " + missing + ": it is too old",
                     "install libchdb 26.5 or newer and name it in CALVE_CHDB_LIBRARY");
  }
  Bind(handle, "chdb_set_signal_handlers_enabled", &library.set_signal_handlers_enabled);
  return library;
}

}  // namespace

std::vector<std::string> ChdbLibraryCandidates(const std::string& configured, const std::string& environment,
                                               const std::string& program_directory) {
  if (!configured.empty()) return {configured};
  if (!environment.empty()) return {environment};
  std::vector<std::string> candidates;
  if (!program_directory.empty()) {
    candidates.push_back(program_directory + "/libchdb.so");
    candidates.push_back(program_directory + "/../lib/calve/libchdb.so");  // `make install`, the package calve-chdb
    candidates.push_back(program_directory + "/../lib/libchdb.so");
    candidates.push_back(program_directory + "/../../.deps/chdb/libchdb.so");  // build/PRESET/calve
  }
  candidates.push_back("libchdb.so");
  return candidates;
}

std::string FindChdbLibrary() {
  const char* environment = std::getenv("CALVE_CHDB_LIBRARY");
  for (const auto& candidate : ChdbLibraryCandidates("", environment ? environment : "", ProgramDirectory())) {
    std::error_code ignored;
    if (candidate.find('/') == std::string::npos || !std::filesystem::exists(candidate, ignored)) continue;
    return std::filesystem::weakly_canonical(candidate, ignored).string();
  }
  return "";
}

arrow::Result<ChdbLibrary> LoadChdbLibrary(const std::string& configured) {
  const char* environment = std::getenv("CALVE_CHDB_LIBRARY");
  std::string tried, failure;
  for (const auto& candidate : ChdbLibraryCandidates(configured, environment ? environment : "", ProgramDirectory())) {
    tried += (tried.empty() ? "" : ", ") + candidate;
    if (!MayLoad(candidate)) continue;
    // RTLD_LOCAL: it carries its own copies of zstd, OpenSSL, Arrow and more, which must not meet ours.
    void* handle = dlopen(candidate.c_str(), RTLD_LAZY | RTLD_LOCAL | RTLD_NODELETE);
    if (handle != nullptr) return BindAll(handle, candidate);
    const char* reason = dlerror();
    if (failure.empty() && candidate.find('/') != std::string::npos) failure = reason ? reason : "unknown reason";
  }
  return MakeError(
      ErrorKind::kConfig,
      failure.empty() ? "a chdb: source needs libchdb.so, which is not in " + tried
                      : "libchdb.so does not load: " + failure,
      "install the package calve-chdb (in a checkout: run `make setup`), or name the file in CALVE_CHDB_LIBRARY");
}

}  // namespace calve::source
