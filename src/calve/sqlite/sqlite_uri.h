// Database URIs as SQLAlchemy writes them.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>

#include "calve/base/error.h"

namespace calve::sqlite {

inline bool IsSqliteUri(std::string_view uri) { return uri.starts_with("sqlite:"); }

// "sqlite:///a/b.db" is a/b.db below the working directory, "sqlite:////a/b.db" is /a/b.db.
inline Result<std::string> PathFromUri(std::string_view uri) {
  constexpr std::string_view kPrefix = "sqlite:///";
  constexpr const char* kRemedy = "Write sqlite:////absolute/file.db or sqlite:///relative/file.db.";
  if (!uri.starts_with(kPrefix) || uri.size() == kPrefix.size()) {
    return MakeError(ErrorKind::kConfig, fmt::format("'{}' names no SQLite file", uri), kRemedy);
  }
  std::string path(uri.substr(kPrefix.size()));
  if (path == ":memory:" || path.find('\0') != std::string::npos) {
    return MakeError(ErrorKind::kConfig, fmt::format("'{}' would not outlive the process", uri), kRemedy);
  }
  if (path.find('?') != std::string::npos) {
    return MakeError(ErrorKind::kConfig, fmt::format("options behind '?' are not supported: '{}'", uri), kRemedy);
  }
  return path;
}

}  // namespace calve::sqlite
