// Where a server listens, as people write it.
#pragma once

#include <string>
#include <string_view>

#include "calve/base/error.h"

namespace calve::http {

struct ListenAddress {
  std::string host;  // a name or an address, without brackets
  int port = 0;      // 0: any that is free

  bool IsLoopback() const;
  std::string ToString() const;  // "127.0.0.1:9765", "[::1]:9765"
};

// "HOST:PORT", "[IPv6]:PORT"; kConfig with an example.
Result<ListenAddress> ParseListenAddress(std::string_view text);

}  // namespace calve::http
