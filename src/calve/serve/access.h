// Who may ask what: hosts, origins, tokens. Pure, but for TokenSource.
#pragma once

#include <sys/stat.h>

#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "calve/base/error.h"
#include "calve/serve/http_server.h"

namespace calve::serve {

struct AccessRules {
  bool needs_token_to_read = false;     // listens elsewhere than on loopback, and reading is not public
  std::vector<std::string> host_names;  // by which it is called, beside addresses and localhost; in lower case
};

// "calve.example:9765" is calve.example, "[::1]:9765" is ::1; in lower case, without a dot at its end. Empty where it
// is none.
std::string HostOf(std::string_view authority);

// A page of somebody else's may have its own name point here (DNS rebinding): a name must be one that we know.
// Addresses cannot be had that way.
bool IsKnownHost(std::string_view authority, const AccessRules& rules);

// Whether the request comes from a page of ours, or from no page at all. Only browsers send these headers, and pages
// cannot change them.
bool IsOwnOrigin(const HttpRequest& request, const AccessRules& rules);

// Of "Authorization: Bearer TOKEN"; nullopt: no such header. Empty where it is of another kind.
std::optional<std::string> BearerToken(const HttpRequest& request);

// In a time that does not tell how much of it is right.
bool IsSameToken(std::string_view given, std::string_view token);

// The token that lets people in, from a file (read again when that changes) or as it is. Thread-safe.
class TokenSource {
 public:
  static constexpr size_t kLengthMin = 16;

  // `file` goes before `value`; both empty: there is no token.
  TokenSource(std::string file, std::string value) : file_(std::move(file)), value_(std::move(value)) {}

  bool is_given() const { return !file_.empty() || !value_.empty(); }
  // Empty where none is given. kConfig where the file cannot be read, others may read it, or the token is too short.
  Result<std::string> Read();

 private:
  const std::string file_, value_;
  std::mutex mutex_;
  // protected by mutex_
  bool was_read_ = false;
  struct stat seen_ = {};
  Result<std::string> token_ = std::string();
};

}  // namespace calve::serve
