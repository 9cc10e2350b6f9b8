#include "calve/serve/access.h"

#include <arpa/inet.h>
#include <openssl/crypto.h>

#include <algorithm>
#include <cctype>

#include "calve/base/small_file.h"
#include "calve/http/sigv4.h"

namespace calve::serve {
namespace {

std::string InLowerCase(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
  return lower;
}

bool IsAddress(const std::string& host) {
  in_addr four{};
  in6_addr six{};
  return inet_pton(AF_INET, host.c_str(), &four) == 1 || inet_pton(AF_INET6, host.c_str(), &six) == 1;
}

Status WrongToken(std::string message, std::string remedy) {
  return MakeError(ErrorKind::kConfig, std::move(message), std::move(remedy));
}

}  // namespace

std::string HostOf(std::string_view authority) {
  std::string host;
  if (authority.starts_with('[')) {
    const size_t end = authority.find(']');
    if (end == std::string_view::npos) return "";
    host = InLowerCase(authority.substr(1, end - 1));
    const std::string_view rest = authority.substr(end + 1);
    return rest.empty() || rest.starts_with(':') ? host : "";
  }
  host = InLowerCase(authority.substr(0, authority.find(':')));
  if (host.ends_with('.')) host.pop_back();
  return host.find_first_of("/@ \t") == std::string::npos ? host : "";
}

bool IsKnownHost(std::string_view authority, const AccessRules& rules) {
  const std::string host = HostOf(authority);
  if (host.empty()) return false;
  return host == "localhost" || IsAddress(host) || std::ranges::find(rules.host_names, host) != rules.host_names.end();
}

bool IsOwnOrigin(const HttpRequest& request, const AccessRules& rules) {
  const std::string* site = request.Header("sec-fetch-site");
  if (site && *site != "same-origin" && *site != "none") return false;
  const std::string* origin = request.Header("origin");
  if (!origin) return true;
  const size_t slashes = origin->find("://");
  if (slashes == std::string::npos) return false;  // "null" among others
  const std::string authority = InLowerCase(std::string_view(*origin).substr(slashes + 3));
  const std::string* host = request.Header("host");
  if (host && InLowerCase(*host) == authority) return true;
  // A proxy in front may have put another Host in its place.
  const std::string name = HostOf(authority);
  return std::ranges::find(rules.host_names, name) != rules.host_names.end();
}

std::optional<std::string> BearerToken(const HttpRequest& request) {
  const std::string* header = request.Header("authorization");
  if (!header) return std::nullopt;
  constexpr std::string_view kScheme = "bearer ";
  if (InLowerCase(header->substr(0, kScheme.size())) != kScheme) return "";
  std::string token = header->substr(kScheme.size());
  const size_t begin = token.find_first_not_of(' ');
  if (begin == std::string::npos) return "";
  return token.substr(begin, token.find_last_not_of(' ') - begin + 1);
}

bool IsSameToken(std::string_view given, std::string_view token) {
  // Of one length, whatever was given.
  const std::string left = http::Sha256(given), right = http::Sha256(token);
  return !token.empty() && CRYPTO_memcmp(left.data(), right.data(), left.size()) == 0;
}

Result<std::string> TokenSource::Read() {
  const auto checked = [](std::string token, const std::string& where) -> Result<std::string> {
    if (token.size() < kLengthMin || token.find_first_of(" \t\r\n") != std::string::npos) {
      return WrongToken(fmt::format("the token in {} is no word of {} characters or more", where, kLengthMin),
                        "Make one: openssl rand -hex 32");
    }
    return token;
  };
  if (!is_given()) return std::string();
  if (file_.empty()) return checked(value_, "CALVE_SERVE_TOKEN");
  std::lock_guard lock(mutex_);
  struct stat now {};
  if (stat(file_.c_str(), &now) != 0) {
    was_read_ = false;
    return WrongToken(fmt::format("the token file {} cannot be read", file_), "Check serve.token_file.");
  }
  const auto same = [&] {
    return now.st_ino == seen_.st_ino && now.st_dev == seen_.st_dev && now.st_size == seen_.st_size &&
           now.st_mode == seen_.st_mode && now.st_mtim.tv_sec == seen_.st_mtim.tv_sec &&
           now.st_mtim.tv_nsec == seen_.st_mtim.tv_nsec && now.st_ctim.tv_sec == seen_.st_ctim.tv_sec &&
           now.st_ctim.tv_nsec == seen_.st_ctim.tv_nsec;
  };
  if (was_read_ && same()) return token_;
  token_ = [&]() -> Result<std::string> {
    if ((now.st_mode & (S_IROTH | S_IWOTH)) != 0) {
      return WrongToken(fmt::format("everybody on this machine may read or change the token file {}", file_),
                        fmt::format("chmod o-rwx '{}'", file_));
    }
    ARROW_ASSIGN_OR_RAISE(std::string token, ReadSmallFile(file_, "the token file"));
    return checked(std::move(token), file_);
  }();
  seen_ = now;
  was_read_ = true;
  return token_;
}

}  // namespace calve::serve
