// The URL of a service, taken apart.
#pragma once

#include <string>
#include <string_view>

#include "calve/base/error.h"

namespace calve::http {

// Whether it begins as one does.
inline bool IsHttpUrl(std::string_view text) { return text.starts_with("http://") || text.starts_with("https://"); }

struct HttpUrl {
  std::string origin;  // scheme://host:port, with brackets around an IPv6 address: fit for messages and HttpEndpoint
  std::string path;    // still encoded, "/a/b" without a slash at its end; empty for the root
  bool is_loopback = false;
};

// kConfig for anything but http(s)://host[:port][/path]; `what` names the URL in messages ("the catalog's URL"), which
// never repeat it: a user or a password in it is refused with `secret_remedy`.
Result<HttpUrl> ParseHttpUrl(const std::string& url, std::string_view what, std::string_view secret_remedy);

}  // namespace calve::http
