#include "calve/postgres/postgres_uri.h"

#include <fmt/format.h>
#include <libpq-fe.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>

namespace calve::postgres {
namespace {

constexpr const char* kExample = "Write it as postgresql://user@host:5432/database?sslmode=verify-full.";

struct OptionsFree {
  void operator()(PQconninfoOption* options) const { PQconninfoFree(options); }
};
using Options = std::unique_ptr<PQconninfoOption, OptionsFree>;

// Null where it does not parse; `error` says why, and may hold parts of the URI.
Options Parse(const std::string& uri, std::string& error) {
  char* text = nullptr;
  Options options(PQconninfoParse(uri.c_str(), &text));
  if (text) error = text;
  PQfreemem(text);
  return options;
}

// Of a password that was not encoded, '@', '/' and '?' move the rest to where messages show it.
bool HasStrayAt(std::string_view uri) {
  std::string_view rest = uri.substr(uri.find("//") + 2);
  auto in_authority = std::ranges::count(rest.substr(0, rest.find_first_of("/?")), '@');
  return in_authority > 1 || std::ranges::count(rest, '@') > in_authority;
}

std::string Value(const Options& options, std::string_view keyword) {
  for (const PQconninfoOption* option = options.get(); option->keyword; ++option) {
    if (option->keyword == keyword && option->val) return option->val;
  }
  return "";
}

}  // namespace

bool IsPostgresUri(std::string_view uri) { return uri.starts_with("postgresql:") || uri.starts_with("postgres:"); }

Result<std::string> NameOfUri(const std::string& uri, const Purpose& purpose) {
  if (!uri.starts_with("postgresql://") && !uri.starts_with("postgres://")) {
    return MakeError(ErrorKind::kConfig, "the URI of the PostgreSQL database lacks the slashes behind its scheme",
                     kExample);
  }
  if (HasStrayAt(uri)) {
    return MakeError(
        ErrorKind::kConfig, "the URI of the PostgreSQL database has an '@' that is not the one behind the user",
        fmt::format("Write %40 for it; a password is never given in the URI but in {}.", purpose.password_places));
  }
  std::string error;
  Options options = Parse(uri, error);
  if (!options) {
    while (!error.empty() && error.back() == '\n') error.pop_back();
    bool secret = uri.find('@') != std::string::npos || uri.find("password") != std::string::npos;
    return MakeError(ErrorKind::kConfig,
                     "the URI of the PostgreSQL database does not parse" + (secret ? "" : ": " + error), kExample);
  }
  for (const char* keyword : {"password", "sslpassword"}) {
    if (Value(options, keyword).empty()) continue;
    return MakeError(
        ErrorKind::kConfig,
        fmt::format("the URI of the PostgreSQL database holds a {}; secrets never stand on the command "
                    "line",
                    keyword),
        fmt::format("Take it out of the URI and give it in a variable or a file: {}.", purpose.password_places));
  }
  std::string host = Value(options, "host"), port = Value(options, "port");
  if (host.empty()) host = Value(options, "hostaddr");
  return fmt::format("postgresql://{}{}{}/{}", host, port.empty() ? "" : ":", port, Value(options, "dbname"));
}

std::string UnverifiedHostOf(const std::string& uri) {
  std::string error;
  Options options = Parse(uri, error);
  if (!options || Value(options, "sslmode").starts_with("verify-")) return "";
  std::string hosts = Value(options, "host");
  if (hosts.empty()) hosts = Value(options, "hostaddr");
  for (size_t begin = 0; begin < hosts.size();) {
    const size_t end = std::min(hosts.find(',', begin), hosts.size());
    const std::string host = hosts.substr(begin, end - begin);
    const bool here = host.empty() || host.starts_with('/') || host.starts_with('@') || host == "localhost" ||
                      host == "::1" || host.starts_with("127.");
    if (!here) return host;
    begin = end + 1;
  }
  return "";
}

Status CheckClientCertificate(const std::string& uri) {
  std::string error;
  Options options = Parse(uri, error);
  const std::string file = options ? Value(options, "sslcert") : "";
  if (file.empty() || access(file.c_str(), R_OK) == 0) return Status::OK();
  const int reason = errno;
  return MakeError(ErrorKind::kConfig,
                   fmt::format("the client's certificate {} cannot be read: {}", file, std::strerror(reason)),
                   "Check sslcert in the URI, and the file's rights.");
}

int HostsOfUri(const std::string& uri) {
  std::string error;
  Options options = Parse(uri, error);
  if (!options) return 1;
  std::string host = Value(options, "host"), address = Value(options, "hostaddr");
  return 1 + static_cast<int>(std::max(std::ranges::count(host, ','), std::ranges::count(address, ',')));
}

int ConnectTimeoutMsOfUri(const std::string& uri, int otherwise_ms) {
  constexpr int kSecondsMax = 3600;
  std::string error;
  Options options = Parse(uri, error);
  if (!options) return otherwise_ms;
  const std::string text = Value(options, "connect_timeout");
  int seconds = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (code != std::errc() || end != text.data() + text.size() || seconds <= 0) return otherwise_ms;
  return std::min(seconds, kSecondsMax) * 1000;
}

}  // namespace calve::postgres
