// The text behind --source, taken apart.
#pragma once

#include <map>
#include <string>

#include "calve/base/error.h"

namespace calve::source {

enum class SourceScheme { kHttp, kHttps, kChdb };

struct SourceUrl {
  SourceScheme scheme = SourceScheme::kHttp;
  std::string user;                             // "default" where the URL names none
  std::string host;                             // without brackets
  int port = 0;                                 // 8123, or 8443 for https, where the URL names none
  std::string database;                         // "default" where the URL names none
  std::string directory;                        // kChdb
  std::map<std::string, std::string> settings;  // what else stands behind the '?'

  // scheme://host:port with brackets around an IPv6 address. No user: fit for messages and for requests.
  std::string Origin() const;
  bool IsLoopback() const;
};

// kConfig for anything else than http(s)://user@host:port/database and chdb:DIR, and for a password in the URL.
// Messages never repeat a URL that may hold one.
Result<SourceUrl> ParseSourceUrl(const std::string& url);

}  // namespace calve::source
