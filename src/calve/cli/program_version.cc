#include "calve/cli/program_version.h"

#include <arrow/config.h>
#include <curl/curl.h>
#include <fmt/format.h>
#include <gnu/libc-version.h>
#include <libpq-fe.h>
#include <openssl/crypto.h>
#include <spdlog/version.h>
#include <sqlite3.h>
#include <zlib.h>

#include <CLI/Version.hpp>
#include <nlohmann/json.hpp>

#include "calve/source/chdb_library.h"

namespace calve::cli {
namespace {

// "7.88.1 (OpenSSL/3.0.17 zlib/1.2.13 …)" of "libcurl/7.88.1 OpenSSL/3.0.17 zlib/1.2.13 …"
std::string CurlVersion() {
  const std::string text = curl_version();
  const size_t slash = text.find('/'), space = text.find(' ');
  if (slash == std::string::npos || space == std::string::npos || slash > space) return text;
  return fmt::format("{} ({})", text.substr(slash + 1, space - slash - 1), text.substr(space + 1));
}

// 150013 is 15.13.
std::string PostgresVersion() {
  const int version = PQlibVersion();
  return fmt::format("{}.{}", version / 10'000, version % 10'000);
}

std::string Compiler() {
#if defined(__clang__)
  return "Clang " __clang_version__;
#else
  return "GCC " __VERSION__;
#endif
}

}  // namespace

std::vector<LibraryVersion> LibraryVersions() {
  const std::string chdb = source::FindChdbLibrary();
  return {
      {"arrow", arrow::GetBuildInfo().version_string},
      {"libcurl", CurlVersion()},
      {"openssl", OpenSSL_version(OPENSSL_VERSION_STRING)},
      {"libpq", PostgresVersion()},
      {"sqlite", sqlite3_libversion()},
      {"zlib", zlibVersion()},
      {"glibc", gnu_get_libc_version()},
      {"nlohmann-json",
       fmt::format("{}.{}.{}", NLOHMANN_JSON_VERSION_MAJOR, NLOHMANN_JSON_VERSION_MINOR, NLOHMANN_JSON_VERSION_PATCH)},
      {"cli11", CLI11_VERSION},
      {"fmt", fmt::format("{}.{}.{}", FMT_VERSION / 10'000, FMT_VERSION / 100 % 100, FMT_VERSION % 100)},
      {"spdlog", fmt::format("{}.{}.{}", SPDLOG_VER_MAJOR, SPDLOG_VER_MINOR, SPDLOG_VER_PATCH)},
      // Not loaded for its version: it is half a gigabyte.
      {"libchdb", chdb.empty() ? "none (only sources chdb:DIR need it)" : chdb},
  };
}

std::string VersionText(const BuildInfo& build, const std::vector<LibraryVersion>& libraries) {
  std::string text = fmt::format("calve {}\n", build.version);
  auto line = [&](std::string_view name, std::string_view value) { text += fmt::format("  {:<14} {}\n", name, value); };
  line("commit", build.commit_date.empty() ? build.commit : fmt::format("{} of {}", build.commit, build.commit_date));
  line("build", fmt::format("{}, {}", build.type, Compiler()));
  for (const LibraryVersion& library : libraries) line(library.name, library.version);
  text.pop_back();  // who prints it ends the line
  return text;
}

Json VersionJson(const BuildInfo& build, const std::vector<LibraryVersion>& libraries) {
  Json json = {{"version", build.version}, {"commit", build.commit}};
  json["commit_date"] = build.commit_date.empty() ? Json() : Json(build.commit_date);
  json["build"] = build.type;
  json["compiler"] = Compiler();
  Json& versions = json["libraries"] = Json::object();
  for (const LibraryVersion& library : libraries) versions[library.name] = library.version;
  return json;
}

}  // namespace calve::cli
